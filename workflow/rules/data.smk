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
    resources:
        mem_mb=HARDWARE.mem_mb,
        runtime=HARDWARE.runtime_short,
    params:
        job=which,
    shell:
        "pqgan prepare-data {params.job:q} --out {output:q} &> {log:q}"


rule data:
    input:
        *chapter_paths("data"),
