# Chapter 6: generation metrics, matching overhead, sampling speed.


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
        **inference_resources(),
    params:
        job=which,
        tokenizer=latent_tokenizer,
    shell:
        "pqgan evaluate-generation {params.job} --model {input.model} --tokenizer {params.tokenizer}"
        " --reference {input.reference} --out {output} &> {log}"


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
        "pqgan bench sampling {params.job} --backbone {params.backbone} {params.generator}"
        " --out {output} &> {log}"


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
        "pqgan bench matching {params.job} --no-figure --out {output} &> {log}"


rule evaluated:
    input:
        chapter_paths("generation", "speed", "matching"),
