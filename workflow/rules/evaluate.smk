# Chapter 6: what models are compared with, generation metrics, matching overhead, sampling speed.


rule reference:
    input:
        data=made_from("reference", "data"),
    output:
        directory(place("reference")),
    log:
        log_of("reference"),
    benchmark:
        benchmark_of("reference")
    wildcard_constraints:
        id=planned("reference"),
    threads: HARDWARE.cpus
    resources:
        **resources_of("reference"),
    params:
        job=which,
    shell:
        "pqgan reference {params.job:q} --data {input.data:q} --out {output:q} &> {log:q}"


rule fetch_baseline:
    output:
        directory(place("published")),
    log:
        log_of("published"),
    benchmark:
        benchmark_of("published")
    wildcard_constraints:
        id=planned("published"),
    resources:
        **resources_of("published"),
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
        selections=selections("generation"),
    output:
        directory(place("generation")),
    log:
        log_of("generation"),
    benchmark:
        benchmark_of("generation")
    wildcard_constraints:
        id=planned("generation"),
    threads: HARDWARE.cpus
    resources:
        **resources_of("generation"),
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
        selections=selections("speed"),
    output:
        directory(place("speed")),
    log:
        log_of("speed"),
    benchmark:
        benchmark_of("speed")
    wildcard_constraints:
        id=planned("speed"),
    threads: workflow.cores
    resources:
        **resources_of("speed"),
    params:
        job=which,
        backbone=lambda wildcards: planned_job("speed", wildcards).inputs["backbone"].path,
        generator=generator_options,
    shell:
        "pqgan bench sampling {params.job:q} --backbone {params.backbone:q} {params.generator:q}"
        " --out {output:q} &> {log:q}"


rule bench_matching:
    output:
        directory(place("matching")),
    log:
        log_of("matching"),
    benchmark:
        benchmark_of("matching")
    wildcard_constraints:
        id=planned("matching"),
    threads: workflow.cores
    resources:
        **resources_of("matching"),
    params:
        job=which,
    shell:
        "pqgan bench matching {params.job:q} --no-figure --out {output:q} &> {log:q}"


rule evaluated:
    input:
        *chapter_paths("generation", "speed", "matching"),
