# The plan of the chosen scale, and how rules ask it for paths. No rules here.
import json
import os
import re
import sys
import time
from pathlib import Path

from pqgan.chapters import CHAPTERS, REPORT, gpus_of
from pqgan.errors import PqganError, SettingsError
from pqgan.job import DIGEST, name_of as name_in, root
from pqgan.report import contents
from pqgan.cost.disk import training_bytes
from pqgan.settings import load
from pqgan.storage.atomic import write_bytes
from pqgan.tokenizer.selected import plan_here

unknown = set(config) - {"scale"}
if unknown:
    print(
        f"--config: got {', '.join(sorted(unknown))}; allowed: scale (edit params.yaml for all else)",
        file=sys.stderr,
    )
    sys.exit(2)

try:
    if not isinstance(config.get("scale", ""), str):
        # `scale=` and `scale=[a,b]` are no text, and are not to mean the file's own scale
        raise SettingsError(f"--config: scale: got {config['scale']!r}; allowed: the name of one scale")
    PLAN = plan_here(load("params.yaml", config.get("scale")))
except PqganError as error:
    print(error, file=sys.stderr)
    sys.exit(error.exit_code)

SCALE = PLAN.settings.name
HARDWARE = PLAN.settings.scale.hardware
WRITTEN = training_bytes(PLAN)


def place(chapter):
    """Where the results of a chapter lie: the output of its rule."""
    return f"{root(SCALE, chapter)}/{{id}}"


def log_of(chapter, name="id"):
    """Log of a rule's job; name: the wildcard that tells its jobs apart."""
    return f"logs/{SCALE}/{chapter}/{{{name}}}.log"


def benchmark_of(chapter, name="id"):
    """Benchmark file of a rule's job, as `pqgan times` reads it."""
    return f"benchmarks/{SCALE}/{chapter}/{{{name}}}.tsv"


def settled(jobs_of):
    """Jobs of the plan, all of which have an address.

    Snakemake first makes the selections that any of them waits for: `checkpoints` says so by an exception that input
    functions let pass, and Snakemake calls them again once the selections are there.
    """
    global PLAN
    waits_for = {selection.id for job in jobs_of(PLAN) for selection in job.awaits}
    for id in sorted(waits_for):
        checkpoints.select_tokenizer.get(id=id)
    if waits_for:
        PLAN = plan_here(PLAN.settings)
    jobs = list(jobs_of(PLAN))
    if unmade := {selection.path for job in jobs for selection in job.awaits}:
        raise WorkflowError(
            f"{min(unmade)}: no finished selection; delete what is there and run Snakemake again"
        )
    return jobs


def planned_job(chapter, wildcards):
    """The job that a rule's {id} stands for."""
    (job,) = settled(lambda plan: [plan.job(chapter, name_of(wildcards))])
    if job.id != wildcards.id:
        raise WorkflowError(
            f"{chapter}: got {wildcards.id}, an address of other settings; planned now: {job.path}"
        )
    return job


def planned(chapter):
    """Regular expression of a chapter's ids, so that an old result on disk never matches a rule.

    Of a job that waits for a selection only the name is known; `planned_job` looks at the rest of its id.
    """
    jobs = PLAN.chapter(chapter).values()
    waiting = [re.escape(job.name) + f"-[0-9a-f]{{{DIGEST}}}" for job in jobs if job.awaits]
    known = one_of(job.id for job in jobs if not job.awaits)
    return "|".join([*waiting, *([known] if known else [])]) or "nothing"


def one_of(names):
    """One regular expression that matches any of the names, built as a prefix tree.

    A sweep has thousands of names, and Snakemake tries the expression for each job.
    """
    tails = {}
    for name in names:
        head, _, tail = name.partition("-")
        tails.setdefault(head, []).append(tail)
    return "|".join(
        re.escape(head) + (f"-(?:{one_of(rest)})" if any(rest) else "") for head, rest in tails.items()
    )


def name_of(wildcards):
    """The name of a job: its id without the digest."""
    return name_in(wildcards.id)


def which(wildcards):
    """What every pqgan verb is told, word by word as the shell lines quote it: which job of which scale."""
    return [name_of(wildcards), "--scale", SCALE]


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


def unless_made(chapter, inputs):
    """Input function: once the result is there, only those inputs that are there too.

    Snakemake makes a result again where an input is not there yet, ancient or not. How many pictures an evaluation shows
    moves its own address and not that of what was selected by its numbers. What is there counts all the same: if all is
    made anew (--forceall), a selection comes after its candidates.
    """

    def those(wildcards):
        made = Path(planned_job(chapter, wildcards).path).is_dir()
        return [path for path in inputs(wildcards) if not made or Path(path).is_dir()]

    return those


def selections(chapter):
    """Input function: the selections that a job follows from, which its command reads to know its own address."""
    return lambda wildcards: [ancient(job.path) for job in planned_job(chapter, wildcards).follows]


def results_of(jobs_of):
    """Two input functions: the results that have an address now, so that their jobs need not wait, and all of them."""
    return (
        lambda wildcards: [ancient(job.path) for job in jobs_of(PLAN, wildcards) if not job.awaits],
        lambda wildcards: [ancient(job.path) for job in settled(lambda plan: jobs_of(plan, wildcards))],
    )


def chapter_paths(*chapters):
    """Input functions: every result of some chapters."""

    def jobs_of(plan, wildcards):
        return [job for chapter in chapters for job in plan.chapter(chapter).values()]

    return results_of(jobs_of)


def computing(chapter, runtime, processes):
    """What a job that runs a network asks a cluster for: minutes, GPUs, and a Slurm task for each of its processes.

    `launcher` goes before its command. In a Slurm job of several processes it is srun, told what the job was told (a job
    step of Snakemake forgets it); elsewhere nothing: Fabric starts them. `mpi` has Snakemake leave the tasks to srun.
    """
    cpus = -(-HARDWARE.cpus // processes)
    asked = {"mem_mb": HARDWARE.mem_mb, "runtime": runtime, "cpus_per_task": cpus, "launcher": ""}
    if HARDWARE.gpus.any():
        asked["gpu"] = gpus_of(chapter, HARDWARE)
    if processes > 1:
        srun = f"srun --nodes=1 --ntasks-per-node={processes} --cpus-per-task={cpus} --kill-on-bad-exit=1"
        asked |= {"nodes": 1, "tasks_per_node": processes, "mpi": "srun"}
        asked["launcher"] = f"${{SLURM_JOB_ID:+{srun}}} "
    return asked


def resources_of(chapter):
    """What a job of a chapter asks for, as pqgan.chapters says.

    A training has the GPUs of its chapter, a process each; on CPUs as many processes as settings say. `disk_mb` is what
    it writes, if that is known; Snakemake shows it and does not ask Slurm for it.
    """
    asks = CHAPTERS[chapter].gpus
    if asks == "none":
        return {"mem_mb": HARDWARE.mem_mb, "runtime": HARDWARE.runtime_short}
    if asks != "training":
        return computing(
            chapter, HARDWARE.runtime_short, HARDWARE.evaluation_devices if asks == "evaluation" else 1
        )
    asked = computing(chapter, HARDWARE.runtime, HARDWARE.scheduled_devices(chapter))
    if all((chapter, name) in WRITTEN for name in PLAN.chapter(chapter)):
        asked["disk_mb"] = lambda wildcards: -(-WRITTEN[chapter, name_of(wildcards)] // 10**6)
    return asked


def latent_tokenizer(wildcards):
    """Folder of the tokenizer behind a latent of the LDM chapter; a sub-folder where it is the backbone's."""
    return PLAN.tokenizer_path(PLAN.settings.scale.ldm.latents[name_of(wildcards)].tokenizer)


def evaluation_options(chapter):
    """Params function: an evaluation's model, and role=folder pairs of sets and of their originals' features."""

    def options(wildcards):
        inputs = planned_job(chapter, wildcards).inputs

        def pairs(prefix):
            return [
                f"{role.removeprefix(prefix)}={job.path}"
                for role, job in inputs.items()
                if role.startswith(prefix)
            ]

        model = PLAN.model_path(inputs["model"])
        return ["--model", model, "--sets", *pairs("set-"), "--references", *pairs("reference-")]

    return options


def generator_options(wildcards):
    """The options of an adapted generator; none for the backbone as it is."""
    inputs = planned_job("speed", wildcards).inputs
    given = [role for role in ("unet", "tokenizer") if role in inputs]
    return [word for role in given for word in (f"--{role}", inputs[role].path)]


def item_results():
    """Input functions: every result that a table or figure reads."""
    return results_of(lambda plan, wildcards: contents.inputs(plan, wildcards.item))


def make_writable(folder):
    """Give files of a folder that may not be written a place of their own: DVC links them from its cache.

    Snakemake, unlike `dvc repro`, stops at an output that may not be written, and does so before onstart. Results need
    none of it, as they are folders.
    """
    for file in Path(folder).glob("*"):
        if file.is_file() and not os.access(file, os.W_OK):
            times = file.stat()
            write_bytes(file, file.read_bytes())
            os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))


make_writable("reports")


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

    While an item waits for a selection, nothing tells that what is on disk is of the present settings, and Snakemake
    does not look at time stamps of what waits for a checkpoint: another rule then stands between, which always runs.
    """
    jobs = contents.inputs(PLAN, wildcards.item)
    if any(job.awaits for job in jobs):
        return f"logs/planned/{wildcards.item}.waits"
    made_from = [SCALE, *(job.path for job in jobs)]
    file = written(wildcards.item, made_from)
    if not is_stale(wildcards.item, made_from):
        os.utime(file, (1, 1))
    return str(file)


def anew(wildcards):
    """Input function: a small file that Snakemake, which compares contents too, finds changed every time."""
    return str(written(wildcards.item, [SCALE, str(time.time_ns())]))


def written(item, lines):
    """The file that says what an item is made from."""
    file = Path(f"logs/planned/{item}.txt")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("\n".join(lines) + "\n")
    return file


def item_labels(wildcards):
    """What a line of Snakemake's report says of a table or figure."""
    return {"Item": contents.label(wildcards.item), "Shows": contents.title(PLAN.settings, wildcards.item)}
