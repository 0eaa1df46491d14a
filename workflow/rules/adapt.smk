# Chapter 4: Stable Diffusion moved to product-quantised latents, in two stages, and sampled.


rule make_backbone:
    output:
        directory(f"results/{SCALE}/backbone/{{id}}"),
    log:
        f"logs/{SCALE}/backbone/{{id}}.log",
    benchmark:
        f"benchmarks/{SCALE}/backbone/{{id}}.tsv"
    wildcard_constraints:
        id=planned("backbone"),
    resources:
        mem_mb=HARDWARE.mem_mb,
        runtime=HARDWARE.runtime_short,
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
    output:
        directory(f"results/{SCALE}/adapt/{{id}}"),
    log:
        f"logs/{SCALE}/adapt/{{id}}.log",
    benchmark:
        f"benchmarks/{SCALE}/adapt/{{id}}.tsv"
    wildcard_constraints:
        id=planned("adapt"),
    threads: HARDWARE.cpus
    resources:
        **training_resources("adapt"),
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
    output:
        directory(f"results/{SCALE}/samples/{{id}}"),
    log:
        f"logs/{SCALE}/samples/{{id}}.log",
    benchmark:
        f"benchmarks/{SCALE}/samples/{{id}}.tsv"
    wildcard_constraints:
        id=planned("samples"),
    threads: HARDWARE.cpus
    resources:
        **inference_resources(),
    params:
        job=which,
    shell:
        "pqgan sample {params.job:q} --unet {input.unet:q} --backbone {input.backbone:q}"
        " --tokenizer {input.tokenizer:q} --out {output:q} &> {log:q}"


rule adapted:
    input:
        *chapter_paths("backbone", "adapt", "samples"),
