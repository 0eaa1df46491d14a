# Chapter 7: tables, figures and the report, from metrics.json files and pictures alone.
# What is marked with report(...) is in `snakemake --report report.zip` too, with its caption from workflow/report.


report: "../report/workflow.rst"


# Of an item that waits for a selection: whatever is on disk, it is made anew or found to be of the present settings.
rule await_selection:
    input:
        anew,
    output:
        touch("logs/planned/{item}.waits"),
    localrule: True


rule render_table:
    input:
        *item_results(),
        plan=plan_of_item,
    output:
        tex=report(
            "reports/{item}.tex",
            category="Tables",
            labels=item_labels,
            caption="../report/table.rst",
        ),
        json="reports/{item}.json",
    log:
        log_of(REPORT, "item"),
    benchmark:
        benchmark_of(REPORT, "item")
    wildcard_constraints:
        item="|".join(item for item in contents.ITEMS if item.startswith("table")),
    params:
        scale=SCALE,
    shell:
        "pqgan render {wildcards.item:q} --scale {params.scale:q} --out {output.tex:q} &> {log:q}"


rule render_figure:
    input:
        *item_results(),
        plan=plan_of_item,
    output:
        pdf="reports/{item}.pdf",
        png=report(
            "reports/{item}.png",
            category="Figures",
            labels=item_labels,
            caption="../report/figure.rst",
        ),
        json="reports/{item}.json",
    log:
        log_of(REPORT, "item"),
    benchmark:
        benchmark_of(REPORT, "item")
    wildcard_constraints:
        item="|".join(item for item in contents.ITEMS if item.startswith("figure")),
    params:
        scale=SCALE,
    shell:
        "pqgan render {wildcards.item:q} --scale {params.scale:q} --out {output.pdf:q} &> {log:q}"


rule report_page:
    input:
        rendered=expand("reports/{item}.json", item=contents.items(PLAN)),
    output:
        report(
            "reports/report.html",
            category="All in one page",
            labels={"Item": "Report", "Shows": "tables, figures, settings, provenance and times"},
            caption="../report/page.rst",
        ),
    log:
        f"logs/{SCALE}/report/report.log",
    params:
        benchmarks=f"benchmarks/{SCALE}",
        scale=SCALE,
    shell:
        "pqgan report --scale {params.scale:q} --items reports --benchmarks {params.benchmarks:q} --out {output:q} &> {log:q}"
