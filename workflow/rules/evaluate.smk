# Chapter 6: what models are compared with, generation metrics, matching overhead, sampling speed.


rule reference:
    input:
        data=made_from("reference", "data"),
    output:
        directory(f"results/{SCALE}/reference/{{id}}"),
    log:
        f"logs/{SCALE}/reference/{{id}}.log",
    benchmark:
        f"benchmarks/{SCALE}/reference/{{id}}.tsv"
    wildcard_constraints:
        id=planned("reference"),
    threads: HARDWARE.cpus
    resources:
        **inference_resources(),
    params:
        job=which,
    shell:
        "pqgan reference {params.job:q} --data {input.data:q} --out {output:q} &> {log:q}"


rule fetch_baseline:
    output:
        directory(f"results/{SCALE}/published/{{id}}"),
    log:
        f"logs/{SCALE}/published/{{id}}.log",
    benchmark:
        f"benchmarks/{SCALE}/published/{{id}}.tsv"
    wildcard_constraints:
        id=planned("published"),
    resources:
        mem_mb=HARDWARE.mem_mb,
        runtime=HARDWARE.runtime_short,
    params:
        job=which,
    shell:
        "pqgan fetch-baseline {params.job:q} --out {output:q} &> {log:q}"


rule references:
    input:
        *chapter_paths("reference", "published", "backbone"),


rule evaluate_generation:
    input:
        model=made_from("generation", "model"),
        tokenizer=made_from("generation", "tokenizer"),
        reference=made_from("generation", "reference"),
    output:
        directory(f"results/{SCALE}/generation/{{id}}"),
    log:
        f"logs/{SCALE}/generation/{{id}}.log",
    benchmark:
        f"benchmarks/{SCALE}/generation/{{id}}.tsv"
    wildcard_constraints:
        id=planned("generation"),
    threads: HARDWARE.cpus
    resources:
        **inference_resources(HARDWARE.evaluation_devices),
    params:
        job=which,
        tokenizer=latent_tokenizer,
    shell:
        "{resources.launcher}pqgan evaluate-generation {params.job:q} --model {input.model:q} --tokenizer {params.tokenizer:q}"
        " --reference {input.reference:q} --out {output:q} &> {log:q}"


# A bench takes all cores of a laptop, so that nothing else disturbs its clock.
rule bench_sampling:
    input:
        made_from_all("speed", ""),
    output:
        directory(f"results/{SCALE}/speed/{{id}}"),
    log:
        f"logs/{SCALE}/speed/{{id}}.log",
    benchmark:
        f"benchmarks/{SCALE}/speed/{{id}}.tsv"
    wildcard_constraints:
        id=planned("speed"),
    threads: workflow.cores
    resources:
        **inference_resources(),
    params:
        job=which,
        backbone=PLAN.job("backbone", "backbone").path,
        generator=generator_options,
    shell:
        "pqgan bench sampling {params.job:q} --backbone {params.backbone:q} {params.generator:q}"
        " --out {output:q} &> {log:q}"


rule bench_matching:
    output:
        directory(f"results/{SCALE}/matching/{{id}}"),
    log:
        f"logs/{SCALE}/matching/{{id}}.log",
    benchmark:
        f"benchmarks/{SCALE}/matching/{{id}}.tsv"
    wildcard_constraints:
        id=planned("matching"),
    threads: workflow.cores
    resources:
        **inference_resources(),
    params:
        job=which,
    shell:
        "pqgan bench matching {params.job:q} --no-figure --out {output:q} &> {log:q}"


rule evaluated:
    input:
        *chapter_paths("generation", "speed", "matching"),
