# Chapter 2: the sweep of product-quantised autoencoders, their baselines, what they measure, and the best of each factor.


rule train_tokenizer:
    input:
        data=made_from("tokenizer", "data"),
    output:
        directory(f"results/{SCALE}/tokenizer/{{id}}"),
    log:
        f"logs/{SCALE}/tokenizer/{{id}}.log",
    benchmark:
        f"benchmarks/{SCALE}/tokenizer/{{id}}.tsv"
    wildcard_constraints:
        id=planned("tokenizer"),
    threads: HARDWARE.cpus
    resources:
        **training_resources("tokenizer"),
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
        directory(f"results/{SCALE}/evaluate/{{id}}"),
    log:
        f"logs/{SCALE}/evaluate/{{id}}.log",
    benchmark:
        f"benchmarks/{SCALE}/evaluate/{{id}}.tsv"
    wildcard_constraints:
        id=planned("evaluate"),
    threads: HARDWARE.cpus
    resources:
        **inference_resources(HARDWARE.evaluation_devices),
    params:
        job=which,
        options=evaluation_options("evaluate"),
    shell:
        "{resources.launcher}pqgan evaluate-tokenizer {params.job:q} {params.options:q} --out {output:q} &> {log:q}"


# What follows from a selection has an address once it is made, hence a checkpoint.
checkpoint select_tokenizer:
    input:
        models=unless_made("select", made_from_all("select", "model-")),
        metrics=unless_made("select", made_from_all("select", "metrics-")),
    output:
        directory(f"results/{SCALE}/select/{{id}}"),
    log:
        f"logs/{SCALE}/select/{{id}}.log",
    benchmark:
        f"benchmarks/{SCALE}/select/{{id}}.tsv"
    wildcard_constraints:
        id=planned("select"),
    resources:
        mem_mb=HARDWARE.mem_mb,
        runtime=HARDWARE.runtime_short,
    params:
        job=which,
    shell:
        "pqgan select-tokenizer {params.job:q} --out {output:q} &> {log:q}"


rule tokenizers:
    input:
        *chapter_paths("tokenizer", "evaluate", "select"),
