# Chapter 3: the selected tokenizers at a higher resolution (768 px in the paper).


rule finetune_tokenizer:
    input:
        model=made_from("finetune", "model"),
        data=made_from("finetune", "data"),
        selections=selections("finetune"),
    output:
        directory(place("finetune")),
    log:
        log_of("finetune"),
    benchmark:
        benchmark_of("finetune")
    wildcard_constraints:
        id=planned("finetune"),
    threads: HARDWARE.cpus
    resources:
        **resources_of("finetune"),
    params:
        job=which,
    shell:
        "{resources.launcher}pqgan finetune-tokenizer {params.job:q} --model {input.model:q} --data {input.data:q}"
        " --out {output:q} &> {log:q}"


rule evaluate_finetuned:
    input:
        model=made_from("evaluate_finetuned", "model"),
        sets=made_from_all("evaluate_finetuned", "set-"),
        references=made_from_all("evaluate_finetuned", "reference-"),
        selections=selections("evaluate_finetuned"),
    output:
        directory(place("evaluate_finetuned")),
    log:
        log_of("evaluate_finetuned"),
    benchmark:
        benchmark_of("evaluate_finetuned")
    wildcard_constraints:
        id=planned("evaluate_finetuned"),
    threads: HARDWARE.cpus
    resources:
        **resources_of("evaluate_finetuned"),
    params:
        job=which,
        options=evaluation_options("evaluate_finetuned"),
    shell:
        "{resources.launcher}pqgan evaluate-finetuned {params.job:q} {params.options:q} --out {output:q} &> {log:q}"


rule finetuned:
    input:
        *chapter_paths("finetune", "evaluate_finetuned"),
