# Chapter 1: raw images -> prepared sets with a manifest.


rule prepare_data:
    output:
        directory(f"data/prepared/{SCALE}/{{id}}"),
    log:
        f"logs/{SCALE}/data/{{id}}.log",
    benchmark:
        f"benchmarks/{SCALE}/data/{{id}}.tsv"
    wildcard_constraints:
        id=planned("data"),
    params:
        name=name_of,
    resources:
        mem_mb=HARDWARE.mem_mb,
        runtime=HARDWARE.runtime_short,
    shell:
        "pqgan prepare-data {params.name} --scale {SCALE} --out {output} &> {log}"


rule data:
    input:
        chapter_paths("data"),
