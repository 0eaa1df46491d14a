# The plan of the chosen scale, and how rules ask it for paths. No rules here.
import json
import os
import re
import sys
from pathlib import Path

from pqgan.errors import PqganError
from pqgan.plan import Plan
from pqgan.report import contents
from pqgan.settings import load

unknown = set(config) - {"scale"}
if unknown:
    print(
        f"--config: got {', '.join(sorted(unknown))}; allowed: scale (edit params.yaml for all else)",
        file=sys.stderr,
    )
    sys.exit(2)

try:
    PLAN = Plan(load("params.yaml", config.get("scale")))
except PqganError as error:
    print(error, file=sys.stderr)
    sys.exit(error.exit_code)

SCALE = PLAN.settings.name
HARDWARE = PLAN.settings.scale.hardware


def planned_job(chapter, wildcards):
    """The job that a rule's {id} stands for."""
    return PLAN.job(chapter, name_of(wildcards))


def planned(chapter):
    """Regular expression of a chapter's ids, so that an old result on disk never matches a rule."""
    ids = [re.escape(job.id) for job in PLAN.chapter(chapter).values()]
    return "|".join(ids) or "nothing"


def name_of(wildcards):
    """The name of a job: its id without the digest."""
    return wildcards.id[:-9]


def which(wildcards):
    """What every pqgan verb is told: which job of which scale."""
    return f"{name_of(wildcards)} --scale {SCALE}"


def made_from(chapter, role):
    """Input function: the folder of a job's input.

    The path carries the content, so a time stamp decides nothing: hence ancient.
    """
    return lambda wildcards: ancient(planned_job(chapter, wildcards).inputs[role].path)


def made_from_all(chapter, prefix):
    """Input function: the folders of all inputs whose role begins with prefix."""

    def folders(wildcards):
        job = planned_job(chapter, wildcards)
        return [ancient(other.path) for role, other in job.inputs.items() if role.startswith(prefix)]

    return folders


def chapter_paths(*chapters):
    """Every result of some chapters."""
    return [job.path for chapter in chapters for job in PLAN.chapter(chapter).values()]


def training_resources():
    """What a training job asks a cluster for."""
    asked = {"mem_mb": HARDWARE.mem_mb, "runtime": HARDWARE.runtime, "cpus_per_task": HARDWARE.cpus}
    return asked | ({"gpu": HARDWARE.gpus} if HARDWARE.gpus else {})


def inference_resources(devices=1):
    """What any other job that runs a network asks for."""
    asked = {"mem_mb": HARDWARE.mem_mb, "runtime": HARDWARE.runtime_short, "cpus_per_task": HARDWARE.cpus}
    return asked | ({"gpu": devices} if HARDWARE.gpus else {})


def latent_tokenizer(wildcards):
    """Folder of the tokenizer behind a latent of the LDM chapter; a sub-folder where it is the backbone's."""
    return PLAN.tokenizer_path(PLAN.settings.scale.ldm.latents[name_of(wildcards)].tokenizer)


def evaluation_options(wildcards):
    """The options of an evaluation: its model, and role=folder pairs of sets and of their originals' features."""
    jobs = PLAN.chapter("evaluate") | PLAN.chapter("evaluate_finetuned")
    inputs = jobs[name_of(wildcards)].inputs

    def pairs(prefix):
        return " ".join(
            f"{role.removeprefix(prefix)}={job.path}"
            for role, job in inputs.items()
            if role.startswith(prefix)
        )

    model = PLAN.model_path(inputs["model"])
    return f"--model {model} --sets {pairs('set-')} --references {pairs('reference-')}"


def generator_options(wildcards):
    """The options of an adapted generator; none for the backbone as it is."""
    inputs = planned_job("speed", wildcards).inputs
    return [f"--{role} {inputs[role].path}" for role in ("unet", "tokenizer") if role in inputs]


def item_results(wildcards):
    """Every result that a table or figure reads."""
    return [ancient(job.path) for job in contents.inputs(PLAN, wildcards.item)]


def is_stale(item, made_from):
    """Whether a table or figure on disk was made from other results than those planned now."""
    try:
        rendered = json.loads(Path(f"reports/{item}.json").read_text())
        return [rendered["scale"], *(result["path"] for result in rendered["provenance"])] != made_from
    except FileNotFoundError:
        return False  # missing outputs are made anyway
    except (ValueError, KeyError, TypeError):
        return True


def plan_of_item(wildcards):
    """Input function: a small file that says what an item is made from, newer than the item only if it is stale.

    reports/table1.tex carries no digest in its name, and Snakemake does not look behind a file that is there when the
    results it was made from have moved: without this it would call an old table up to date after `dvc pull`.
    """
    made_from = [SCALE, *(job.path for job in contents.inputs(PLAN, wildcards.item))]
    file = Path(f"logs/planned/{wildcards.item}.txt")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("\n".join(made_from) + "\n")
    if not is_stale(wildcards.item, made_from):
        os.utime(file, (1, 1))
    return str(file)
