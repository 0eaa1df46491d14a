# Chapter 5: class-conditional latent diffusion from scratch on three latents.


rule train_ldm:
    input:
        tokenizer=made_from("ldm", "tokenizer"),
        data=made_from("ldm", "data"),
        selections=selections("ldm"),
    output:
        directory(place("ldm")),
    log:
        log_of("ldm"),
    benchmark:
        benchmark_of("ldm")
    wildcard_constraints:
        id=planned("ldm"),
    threads: HARDWARE.cpus
    resources:
        **resources_of("ldm"),
    params:
        job=which,
        tokenizer=latent_tokenizer,
    shell:
        "{resources.launcher}pqgan train-ldm {params.job:q} --tokenizer {params.tokenizer:q} --data {input.data:q}"
        " --out {output:q} &> {log:q}"


rule ldms:
    input:
        *chapter_paths("ldm"),
