"""Table 4: what was trained, on what, for how long."""

from collections.abc import Iterator
from pathlib import PurePosixPath

from pydantic import BaseModel, ConfigDict, FiniteFloat, PositiveInt

from pqgan.job import name_of
from pqgan.origin import FILE, Origin
from pqgan.plan import Plan
from pqgan.settings import Settings
from pqgan.settings.readings import learning_rate
from pqgan.tokenizer.selected import TRAINING

from .. import contents, formats, wording
from ..results import Results
from .paper import paper_rows, times
from .speed import backbone_note
from .table import MEASURED, REPORTED, SOURCE, Column, Group, Row, Table, row

COLUMNS = [
    Column("model", "Model", numeric=False),
    Column("data", "Training data", numeric=False),
    Column("resolution", "Image resolution"),
    Column("steps", "Training steps"),
    Column("batch", "Batch size"),
    Column("rate", "Learning rate"),
    # what the paper's table does not have
    Column("read", "Read as", numeric=False),
    Column("device", "Device", numeric=False),
    Column("time", "Wall time"),
    SOURCE,
]
SHIFTED = {"PQSD-HR": "PQSD-Quick"}
"""Model of the paper's table -> whose the first row under it is (reading 17)."""
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
    for model in dict.fromkeys((*(line["model"] for line in paper), *own)):
        groups.append(Group(_heading(settings, model), _reported(paper, model) + own.get(model, [])))
    counted = settings.reading.training.step_counts.replace("_", " ")
    return Table(
        "table4",
        contents.ITEMS["table4"],
        wording.caption(
            f"Measured: this run, {wording.run_of(settings)}, as each result's own provenance has it,",
            f"n = {sum(map(len, own.values()))} phases of training, each run once.",
            "Reported: the paper's own values, under the labels that it prints.",
            "No feature networks are involved, save the perceptual loss of the tokenizers, whose network has "
            f"{settings.scale.evaluation.features.weights} weights.",
            f"A step of a tokenizer is an update of the {counted} (reading 3).",
        ),
        COLUMNS,
        groups,
        _notes(settings, results),
    )


def _notes(settings: Settings, results: Results) -> list[str]:
    shifted = [
        f"The first row under {printed} in the paper's table is read as the last phase of {model} (reading 17)."
        for printed, model in SHIFTED.items()
    ]
    return [
        *backbone_note(settings),
        f"Devices of this run: {wording.listed(_devices(results))}.",
        f"Phases of one job share its time: it stands in the first of them, the others say “{INCLUDED}”.",
        *shifted,
        "The first phase of PQSD has images of 384 px in the paper's table and of 512 px in its appendix A.2; that of "
        f"this run has {settings.reading.adaptation.stage1_resolution} px (reading 16).",
        "Devices of reported rows are from the appendix that stands with them, not from the paper's table. A.2 names "
        "those of the first phase, which are taken for every phase of PQSD.",
    ]


def _heading(settings: Settings, model: str) -> str:
    variant = settings.scale.adapt.variants.get(model)
    return f"{model}, on the fine-tuned tokenizer of F={variant.F}" if variant else model


class _Settings(BaseModel):
    model_config = ConfigDict(strict=True)


class _Phase(_Settings):
    """A part of a training, as the table shows it."""

    resolution: PositiveInt
    steps: PositiveInt
    batch: PositiveInt
    learning_rate: FiniteFloat


class _Training(_Settings):
    resolution: PositiveInt
    steps: PositiveInt
    learning_rate: FiniteFloat


class _TrainingReading(_Settings):
    total_batch: PositiveInt
    scale_lr: bool


class _Trained(_Settings):
    """Settings of a tokenizer's training."""

    Training: _Training
    TrainingReading: _TrainingReading
    batch: PositiveInt | None = None
    """Of fine-tuning, instead of the reading's."""

    def phase(self) -> _Phase:
        """With the rate that the optimiser saw (reading 2)."""
        about, batch = self.Training, self.batch or self.TrainingReading.total_batch
        rate = learning_rate(about.learning_rate, batch, self.TrainingReading.scale_lr)
        return _Phase(resolution=about.resolution, steps=about.steps, batch=batch, learning_rate=rate)


class _Data(BaseModel):
    data: str


class _TrainedOrigin(Origin):
    settings: _Trained
    inputs: _Data


class _Stage1(_Settings):
    steps: PositiveInt
    batch: PositiveInt
    learning_rate: FiniteFloat


class _Adaptation(_Settings):
    stage1_resolution: PositiveInt


class _FirstStage(_Settings):
    Stage1: _Stage1
    adaptation: _Adaptation


class _FirstOrigin(Origin):
    settings: _FirstStage
    inputs: _Data


class _SecondStage(_Settings):
    phases: list[_Phase]


class _SecondOrigin(Origin):
    settings: _SecondStage
    inputs: _Data


def _devices(results: Results) -> Iterator[str]:
    for job in results.jobs:
        # a selection runs on another machine than the training it chose
        file = TRAINING if job.chapter == "select" else FILE
        yield results.read(job.chapter, job.name, file, Origin).device


def _measured(model: str, origin: _TrainedOrigin | _FirstOrigin | _SecondOrigin, phase: _Phase, first=True) -> Row:
    return row(
        MEASURED,
        model=model,
        data=name_of(PurePosixPath(origin.inputs.data).name),
        resolution=_square(phase.resolution),
        steps=formats.count(phase.steps),
        batch=phase.batch,
        rate=formats.scientific(phase.learning_rate),
        read=None,
        device=origin.device.partition(" (")[0],  # its particulars stand in the notes
        time=formats.duration(origin.seconds) if first else INCLUDED,
    )


def _tokenizers(settings: Settings, results: Results) -> Iterator[Row]:
    for factor in sorted(settings.scale.selection.factors, reverse=True):
        # the selection copies the trained folder and puts its own provenance beside the training's
        trained = results.read("select", f"f{factor}", TRAINING, _TrainedOrigin)
        yield _measured(results.selected(factor).run, trained, trained.settings.phase())


def _finetunes(settings: Settings, results: Results) -> Iterator[Row]:
    for factor in sorted(settings.scale.selection.factors, reverse=True):
        trained = results.read("finetune", f"f{factor}", FILE, _TrainedOrigin)
        yield _measured(f"{results.selected(factor).run}, fine-tuned", trained, trained.settings.phase())


def _adaptation(results: Results, name: str) -> Iterator[Row]:
    first = results.read("adapt", f"{name}-stage1", FILE, _FirstOrigin)
    about = first.settings.Stage1
    resolution = first.settings.adaptation.stage1_resolution
    yield _measured(f"{name}, stage 1", first, _Phase(resolution=resolution, **about.model_dump()))
    second = results.read("adapt", f"{name}-stage2", FILE, _SecondOrigin)
    for number, phase in enumerate(second.settings.phases):
        yield _measured(f"{name}, stage 2", second, phase, first=number == 0)


def _reported(paper: list[dict[str, str]], model: str) -> list[Row]:
    """The rows that the paper prints under a model."""
    devices = {line["model"]: f"{times(line['gpus'])} ({line['section']})" for line in paper_rows("gpus")}
    lines = [line for line in paper if line["model"] == model]
    return [
        row(
            REPORTED,
            model=model,
            data=line["training_data"],
            resolution=_square(line["image_resolution"]),
            steps=formats.count(int(line["training_steps"])),
            batch=line["batch_size"],
            rate=formats.scientific(float(line["learning_rate"])),
            read=f"{SHIFTED[model]} (17)" if model in SHIFTED and line is lines[0] else None,
            device=devices[model],
            time=None,
        )
        for line in lines
    ]


def _square(side: object) -> str:
    return f"{side}×{side}"
