# Every table and figure of the PQGAN paper, from raw images.
#
#   snakemake --cores all                                      the scale that params.yaml names (smoke: minutes)
#   snakemake --cores all --profile slurm reports/table1.tex   paper scale on a Slurm cluster
#   snakemake --cores all tokenizers                           one chapter
#
# A rule is one `pqgan` command line; what a job is made of and where it lies comes from pqgan.plan.
from snakemake.utils import min_version

min_version("9.0")


include: "workflow/rules/common.smk"


# With --sdm apptainer every rule runs in this image: apptainer build pqgan.sif workflow/apptainer.def
container: "pqgan.sif"


onstart:
    # an empty folder says that nothing of a chapter is planned: DVC asks for one folder a chapter
    for chapter in CHAPTERS:
        Path(root(SCALE, chapter)).mkdir(parents=True, exist_ok=True)


localrules:
    all,


rule all:
    input:
        "reports/report.html",
        "reports/metrics.json",


include: "workflow/rules/data.smk"
include: "workflow/rules/tokenizer.smk"
include: "workflow/rules/finetune.smk"
include: "workflow/rules/adapt.smk"
include: "workflow/rules/ldm.smk"
include: "workflow/rules/evaluate.smk"
include: "workflow/rules/report.smk"
include: "workflow/rules/summary.smk"
