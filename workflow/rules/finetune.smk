# Chapter 3: the selected tokenizers at a higher resolution (768 px in the paper).


rule finetune_tokenizer:
    input:
        model=made_from("finetune", "model"),
        data=made_from("finetune", "data"),
    output:
        directory(f"results/{SCALE}/finetune/{{id}}"),
    log:
        f"logs/{SCALE}/finetune/{{id}}.log",
    benchmark:
        f"benchmarks/{SCALE}/finetune/{{id}}.tsv"
    wildcard_constraints:
        id=planned("finetune"),
    params:
        name=name_of,
    threads: HARDWARE.cpus
    resources:
        **training_resources(),
    shell:
        "pqgan finetune-tokenizer {params.name} --scale {SCALE} --model {input.model} --data {input.data}"
        " --out {output} &> {log}"


rule finetuned:
    input:
        chapter_paths("finetune"),
