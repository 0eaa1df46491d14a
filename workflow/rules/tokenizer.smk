# Chapter 2: the sweep of product-quantised autoencoders, their baselines, what they measure, and the best of each factor.


rule train_tokenizer:
    input:
        data=made_from("tokenizer", "data"),
    output:
        directory(place("tokenizer")),
    log:
        log_of("tokenizer"),
    benchmark:
        benchmark_of("tokenizer")
    wildcard_constraints:
        id=planned("tokenizer"),
    threads: HARDWARE.cpus
    resources:
        **resources_of("tokenizer"),
    params:
        job=which,
    shell:
        "{resources.launcher}pqgan train-tokenizer {params.job:q} --data {input.data:q} --out {output:q} &> {log:q}"


rule evaluate_tokenizer:
    input:
        model=made_from("evaluate", "model"),
        sets=made_from_all("evaluate", "set-"),
        references=made_from_all("evaluate", "reference-"),
    output:
        directory(place("evaluate")),
    log:
        log_of("evaluate"),
    benchmark:
        benchmark_of("evaluate")
    wildcard_constraints:
        id=planned("evaluate"),
    threads: HARDWARE.cpus
    resources:
        **resources_of("evaluate"),
    params:
        job=which,
        options=evaluation_options("evaluate"),
    shell:
        "{resources.launcher}pqgan evaluate-tokenizer {params.job:q} {params.options:q} --out {output:q} &> {log:q}"


# Where each set of Table 2 is measured by itself.
rule evaluate_transfer:
    input:
        model=made_from("evaluate_transfer", "model"),
        sets=made_from_all("evaluate_transfer", "set-"),
        references=made_from_all("evaluate_transfer", "reference-"),
    output:
        directory(place("evaluate_transfer")),
    log:
        log_of("evaluate_transfer"),
    benchmark:
        benchmark_of("evaluate_transfer")
    wildcard_constraints:
        id=planned("evaluate_transfer"),
    threads: HARDWARE.cpus
    resources:
        **resources_of("evaluate_transfer"),
    params:
        job=which,
        options=evaluation_options("evaluate_transfer"),
    shell:
        "{resources.launcher}pqgan evaluate-transfer {params.job:q} {params.options:q} --out {output:q} &> {log:q}"


# What follows from a selection has an address once it is made, hence a checkpoint.
checkpoint select_tokenizer:
    input:
        models=unless_made("select", made_from_all("select", "model-")),
        metrics=unless_made("select", made_from_all("select", "metrics-")),
    output:
        directory(place("select")),
    log:
        log_of("select"),
    benchmark:
        benchmark_of("select")
    wildcard_constraints:
        id=planned("select"),
    resources:
        **resources_of("select"),
    params:
        job=which,
    shell:
        "pqgan select-tokenizer {params.job:q} --out {output:q} &> {log:q}"


rule tokenizers:
    input:
        *chapter_paths("tokenizer", "evaluate", "evaluate_transfer", "select"),
