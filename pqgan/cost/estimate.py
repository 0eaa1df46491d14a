"""`pqgan cost`: what a scale will take in GPU hours, bytes and money, estimated before anything has run."""

import csv
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from types import MappingProxyType

from pqgan.chapters import gpus_of
from pqgan.errors import SettingsError
from pqgan.plan import Plan
from pqgan.settings import Settings
from pqgan.settings.data import ImageFolder

from .gpus import GPUS
from .job_operations import Task, tasks
from .network_passes import FILE, Counts

PEAKS = {(name, kind): getattr(gpu, kind) for name, gpu in GPUS.items() for kind in ("TF32", "bf16")}
"""(GPU, arithmetic) -> dense TFLOP/s."""

UTILISATION = 40.0
"""Per cent of the peak that a job reaches: assumed, not measured."""

FOLLOWS = {
    "evaluate": "tokenizer",
    "evaluate_transfer": "tokenizer",
    "evaluate_finetuned": "finetune",
    "generation": "ldm",
}
"""Chapter of which the paper says nothing -> the training whose GPU it takes."""

IMAGES = {"imagenet/train": 1_281_167, "imagenet/val": 50_000, "imagenette/train": 9_469, "lsun/val": 3_000}
"""Folder below the data root -> images of the published set."""

ASPECT = 4 / 3
"""Of a photograph, whose shorter side is a set's size."""


@dataclass(frozen=True)
class Assumptions:
    """What an estimate of time rests on beside the counted operations."""

    gpus: Mapping[str, str]
    """Chapter -> name of its GPU; for the others that of appendix A."""
    peaks: Mapping[tuple[str, str], float]
    """(GPU, arithmetic) -> dense TFLOP/s, beside and instead of PEAKS."""
    utilisation: float
    """Per cent of the peak."""
    price: float | None
    """Of a GPU hour, in any currency."""


@dataclass(frozen=True)
class Row:
    """Jobs of one kind."""

    label: str
    jobs: int
    operations: int
    """Of the largest job."""
    gpus: str
    """Of each job."""
    hours: float
    """Of the longest job."""
    gpu_hours: float
    """Of all jobs."""


def show(
    plan: Plan,
    operations: Path | None = None,
    *,
    gpus: Mapping[str, str] = MappingProxyType({}),
    peaks: Mapping[tuple[str, str], float] = MappingProxyType({}),
    images: Mapping[str, int] = MappingProxyType({}),
    utilisation: float | None = None,
    price: float | None = None,
) -> str:
    """Two tables in Markdown, of time (and money) and of bytes.

    Args:
        operations: counts made by `pqgan cost --count`; the package's own, of the paper scale, where None.
        gpus: chapter -> name of its GPU; for the others that of appendix A.
        peaks: (GPU, arithmetic) -> dense TFLOP/s, beside and instead of PEAKS.
        images: prepared set -> its images, beside and instead of IMAGES.
        utilisation: per cent of the peak; UTILISATION where None.
        price: of a GPU hour, in any currency; no money where None.

    Raises:
        SettingsError: a GPU without a peak, a set without a number of images.
        DataError: operations that were not counted.
    """
    assumed = Assumptions(named_gpus() | dict(gpus), PEAKS | dict(peaks), utilisation or UTILISATION, price)
    known = images_of(plan.settings, images)
    work = tasks(plan, Counts(operations or FILE), known)
    return f"{_time_table(rows(plan, work, assumed), price)}\n\n{_byte_table(plan, work, known)}"


def named_gpus() -> dict[str, str]:
    """Chapter -> the GPU that the paper's appendix A names; latent diffusion, which is not in it, as the adaptation."""
    with files("pqgan.report").joinpath("paper/gpus.csv").open() as file:
        named = {row["model"]: row["gpus"].partition("x")[2] for row in csv.DictReader(file)}
    gpus = {"tokenizer": named["PQGAN (All)"], "finetune": named["PQGAN (Fine-Tuning)"], "adapt": named["PQSD-Precise"]}
    gpus["ldm"] = gpus["adapt"]
    return gpus | {chapter: gpus[training] for chapter, training in FOLLOWS.items()}


def images_of(settings: Settings, told: Mapping[str, int]) -> dict[str, int]:
    """Images of each prepared set whose number is known.

    Raises:
        SettingsError: a number is told of a set that there is not.
    """
    sets = settings.scale.data.sets
    if unknown := set(told) - set(sets):
        raise SettingsError(f"--images: got {min(unknown)!r}; allowed: {', '.join(sets)}")
    found = {}
    for name, source in sets.items():
        if not isinstance(source, ImageFolder):
            found[name] = source.crops
        elif source.path in IMAGES:
            found[name] = len(range(source.first, IMAGES[source.path], source.every))
            found[name] = min(found[name], source.count or found[name])
        elif source.count:
            found[name] = source.count
    return found | dict(told)


def rows(plan: Plan, work: Iterable[Task], assumed: Assumptions) -> list[Row]:
    """An estimate for each kind of job.

    Raises:
        SettingsError: a GPU whose peak is not known.
    """
    groups: dict[str, list[Task]] = {}
    for task in work:
        groups.setdefault(task.label, []).append(task)
    found = []
    for label, group in groups.items():
        chapter = group[0].job.chapter
        arithmetic, gpu = _arithmetic(plan, chapter), assumed.gpus[chapter]
        peak = assumed.peaks.get((gpu, arithmetic))
        if peak is None:
            raise SettingsError(
                f"--gpu {chapter}={gpu}: its {arithmetic} peak is not known; name it: --peak {gpu}:{arithmetic}=TFLOPS"
            )
        # a scale without GPUs is estimated for one
        gpus = max(1, gpus_of(chapter, plan.settings.scale.hardware))
        hours = [task.operations / (peak * 1e12 * assumed.utilisation / 100) / 3600 for task in group]
        most = max(task.operations for task in group)
        found.append(Row(label, len(group), most, f"{gpus} {gpu}, {arithmetic}", max(hours) / gpus, sum(hours)))
    return found


def _arithmetic(plan: Plan, chapter: str) -> str:
    """The fastest that a chapter's jobs use on a GPU; evaluations compute in fp32, whose products round to TF32."""
    reading = plan.settings.reading
    trainings = {"tokenizer": reading.training, "finetune": reading.training}
    trainings |= {"adapt": reading.adaptation, "ldm": reading.adaptation}
    return "bf16" if chapter in trainings and trainings[chapter].precision.startswith("bf16") else "TF32"


def _time_table(found: list[Row], price: float | None) -> str:
    priced = price is not None
    head = ["work", "jobs", "operations a job", "GPUs a job", "hours a job", "GPU hours", *["money"] * priced]
    lines = [
        [
            row.label,
            str(row.jobs),
            f"{row.operations:.1e}".replace("e+", "e"),
            row.gpus,
            _amount(row.hours),
            _amount(row.gpu_hours),
            *[_amount(row.gpu_hours * (price or 0))] * priced,
        ]
        for row in found
    ]
    total = sum(row.gpu_hours for row in found)
    jobs = str(sum(row.jobs for row in found))
    lines.append(["all", jobs, "", "", "", _amount(total), *[_amount(total * (price or 0))] * priced])
    return _markdown(head, lines)


def _byte_table(plan: Plan, work: Iterable[Task], images: Mapping[str, int]) -> str:
    lines = []
    for name, source in plan.settings.scale.data.sets.items():
        each = round(3 * ASPECT * source.size**2)
        known = name in images
        total = _bytes(images[name] * each) if known else "number of images not given"
        lines.append(
            [f"prepared set {name}", f"{images[name]:,} images" if known else "", f"at most {_bytes(each)}", total, ""]
        )
    groups: dict[str, list[Task]] = {}
    for task in work:
        if task.parameters:
            groups.setdefault(task.label, []).append(task)
    kept = plan.settings.scale.upkeep.checkpoints_kept
    for label, group in groups.items():
        sizes = [4 * task.parameters for task in group]
        running = max(4 * task.checkpoint for task in group) * kept
        lines.append([label, f"{len(group)} jobs", _bytes(max(sizes)), _bytes(sum(sizes)), _bytes(running)])
    return _markdown(["result", "how many", "bytes each", "bytes", "checkpoints of one while it trains"], lines)


def _markdown(head: list[str], lines: list[list[str]]) -> str:
    rule = ["---", *["---:"] * (len(head) - 1)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in [head, rule, *lines])


def _amount(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 else f"{value:.2g}"


def _bytes(size: float) -> str:
    for unit, scale in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6)):
        if size >= scale:
            return f"{size / scale:.3g} {unit}"
    return f"{size / 1e3:.3g} kB"
