"""Table 4: what was trained, on what, for how long."""

from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any

from pqgan.plan import Plan
from pqgan.settings import Settings

from .. import contents, formats, wording
from ..results import Results
from .paper import paper_rows, times
from .speed import backbone_note
from .table import MEASURED, REPORTED, SOURCE, Column, Group, Row, Table, row

COLUMNS = [
    Column("model", "Model", numeric=False),
    SOURCE,
    Column("data", "Training data", numeric=False),
    Column("resolution", "Resolution", "px"),
    Column("steps", "Steps"),
    Column("batch", "Batch", "images"),
    Column("rate", "Learning rate"),
    Column("device", "Device", numeric=False),
    Column("time", "Wall time"),
]
INCLUDED = "in the above"


def table4(settings: Settings, plan: Plan, results: Results) -> Table:
    """Provenance of the selected tokenizers, their fine-tuning and the adaptations, beside the paper's schedule."""
    own = {
        "PQGAN (All)": list(_tokenizers(settings, results)),
        "PQGAN (Fine-Tuning)": list(_finetunes(settings, results)),
        **{name: list(_adaptation(results, name)) for name in settings.scale.adapt.variants},
    }
    paper = paper_rows("table4")
    groups = []
    for model in dict.fromkeys((*own, *(line["model"] for line in paper))):
        reported = [_reported(line) for line in paper if line["model"] == model]
        groups.append(Group(_heading(settings, model), own.get(model, []) + reported))
    counted = settings.reading.training.step_counts.replace("_", " ")
    return Table(
        "table4",
        contents.ITEMS["table4"],
        wording.caption(
            f"Measured: this run, {wording.run_of(settings)}, as each result's own provenance has it,",
            f"n = {sum(map(len, own.values()))} phases of training, each run once.",
            "Reported: the paper's own values. No feature networks are involved, save the perceptual loss of the",
            f"tokenizers, whose network has {settings.scale.evaluation.features.weights} weights.",
            f"A step of a tokenizer is an update of the {counted} (reading 3).",
        ),
        COLUMNS,
        groups,
        [
            *backbone_note(settings),
            f"Devices of this run: {wording.listed(_devices(results))}.",
            f"Phases of one job share its time: it stands in the first of them, the others say “{INCLUDED}”.",
            "PQSD rows of the paper are named as its appendix describes them, not as the shifted labels of its Table 4 "
            "(reading 17).",
        ],
    )


def _heading(settings: Settings, model: str) -> str:
    variant = settings.scale.adapt.variants.get(model)
    return f"{model}, on the fine-tuned tokenizer of F={variant.F}" if variant else model


def _set(provenance: dict[str, Any]) -> str:
    # the address is <set>-<digest>
    return PurePosixPath(provenance["inputs"]["data"]).name.rpartition("-")[0]


def _devices(results: Results) -> Iterator[str]:
    for job in results.jobs:
        # a selection runs on another machine than the training it chose
        file = "training_provenance.json" if job.chapter == "select" else "provenance.json"
        yield results.read(job.chapter, job.name, file)["device"]


def _device(provenance: dict[str, Any]) -> str:
    """The device without its particulars, which stand in the notes."""
    return provenance["device"].partition(" (")[0]


def _measured(model: str, provenance: dict[str, Any], phase: dict[str, Any], first: bool = True) -> Row:
    return row(
        MEASURED,
        model=model,
        data=_set(provenance),
        resolution=phase["resolution"],
        steps=formats.count(phase["steps"]),
        batch=phase["batch"],
        rate=formats.scientific(phase["learning_rate"]),
        device=_device(provenance),
        time=formats.duration(provenance["seconds"]) if first else INCLUDED,
    )


def _rate(settings: dict[str, Any], batch: int) -> float:
    """The rate that the optimiser saw (reading 2)."""
    return settings["Training"]["learning_rate"] * (batch if settings["TrainingReading"]["scale_lr"] else 1)


def _tokenizers(settings: Settings, results: Results) -> Iterator[Row]:
    for factor in sorted(settings.scale.selection.factors, reverse=True):
        # the selection copies the trained folder and puts its own provenance beside the training's
        provenance = results.read("select", f"f{factor}", "training_provenance.json")
        spec = provenance["settings"]
        batch = spec["TrainingReading"]["total_batch"]
        phase = spec["Training"] | {"batch": batch, "learning_rate": _rate(spec, batch)}
        yield _measured(results.selected(factor)["run"], provenance, phase)


def _finetunes(settings: Settings, results: Results) -> Iterator[Row]:
    for factor in sorted(settings.scale.selection.factors, reverse=True):
        provenance = results.read("finetune", f"f{factor}", "provenance.json")
        spec = provenance["settings"]
        phase = spec["Training"] | {"batch": spec["batch"], "learning_rate": _rate(spec, spec["batch"])}
        yield _measured(f"{results.selected(factor)['run']}, fine-tuned", provenance, phase)


def _adaptation(results: Results, name: str) -> Iterator[Row]:
    first = results.read("adapt", f"{name}-stage1", "provenance.json")
    spec = first["settings"]
    phase = spec["Stage1"] | {"resolution": spec["adaptation"]["stage1_resolution"]}
    yield _measured(f"{name}, stage 1", first, phase)
    second = results.read("adapt", f"{name}-stage2", "provenance.json")
    for number, phase in enumerate(second["settings"]["phases"]):
        yield _measured(f"{name}, stage 2", second, phase, first=number == 0)


def _reported(line: dict[str, str]) -> Row:
    return row(
        REPORTED,
        model=line["model"],
        data=line["training_data"],
        resolution=line["image_resolution"],
        steps=formats.count(int(line["training_steps"])),
        batch=line["batch_size"],
        rate=formats.scientific(float(line["learning_rate"])),
        device=times(line["gpus"]),
        time=None,
    )
