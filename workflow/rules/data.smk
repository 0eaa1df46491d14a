# Chapter 1: raw images -> prepared sets with a manifest.


rule prepare_data:
    output:
        directory(place("data")),
    log:
        log_of("data"),
    benchmark:
        benchmark_of("data")
    wildcard_constraints:
        id=planned("data"),
    resources:
        **resources_of("data"),
    params:
        job=which,
    shell:
        "pqgan prepare-data {params.job:q} --out {output:q} &> {log:q}"


rule data:
    input:
        *chapter_paths("data"),
