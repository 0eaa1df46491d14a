# Chapter 4: Stable Diffusion moved to product-quantised latents, in two stages, and sampled.


rule make_backbone:
    output:
        directory(place("backbone")),
    log:
        log_of("backbone"),
    benchmark:
        benchmark_of("backbone")
    wildcard_constraints:
        id=planned("backbone"),
    resources:
        **resources_of("backbone"),
    params:
        job=which,
    shell:
        "pqgan make-backbone {params.job:q} --out {output:q} &> {log:q}"


rule adapt:
    input:
        unet=made_from("adapt", "unet"),
        backbone=made_from("adapt", "backbone"),
        tokenizer=made_from("adapt", "tokenizer"),
        data=made_from("adapt", "data"),
        selections=selections("adapt"),
    output:
        directory(place("adapt")),
    log:
        log_of("adapt"),
    benchmark:
        benchmark_of("adapt")
    wildcard_constraints:
        id=planned("adapt"),
    threads: HARDWARE.cpus
    resources:
        **resources_of("adapt"),
    params:
        job=which,
    shell:
        "{resources.launcher}pqgan adapt {params.job:q} --unet {input.unet:q} --backbone {input.backbone:q}"
        " --tokenizer {input.tokenizer:q} --data {input.data:q} --out {output:q} &> {log:q}"


rule sample:
    input:
        unet=made_from("samples", "unet"),
        backbone=made_from("samples", "backbone"),
        tokenizer=made_from("samples", "tokenizer"),
        selections=selections("samples"),
    output:
        directory(place("samples")),
    log:
        log_of("samples"),
    benchmark:
        benchmark_of("samples")
    wildcard_constraints:
        id=planned("samples"),
    threads: HARDWARE.cpus
    resources:
        **resources_of("samples"),
    params:
        job=which,
    shell:
        "pqgan sample {params.job:q} --unet {input.unet:q} --backbone {input.backbone:q}"
        " --tokenizer {input.tokenizer:q} --out {output:q} &> {log:q}"


rule adapted:
    input:
        *chapter_paths("backbone", "adapt", "samples"),
