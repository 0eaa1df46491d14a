# What the tables measured, as `dvc metrics show` and `dvc metrics diff` read it.


rule summary:
    input:
        tables=[f"reports/{item}.json" for item in contents.items(PLAN) if item.startswith("table")],
    output:
        "reports/metrics.json",
    log:
        f"logs/{SCALE}/report/summary.log",
    localrule: True
    shell:
        "pqgan summary {input.tables:q} --out {output:q} &> {log:q}"
