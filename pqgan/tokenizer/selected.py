"""selected.json: which tokenizer of a downsampling factor was chosen, and why; and the plan that follows from it."""

from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, FiniteFloat, PositiveFloat, PositiveInt, model_validator

from pqgan.errors import DataError
from pqgan.job import Job
from pqgan.metrics import METRICS
from pqgan.origin import read_origin
from pqgan.plan import Plan
from pqgan.settings import Settings
from pqgan.storage.json_files import read_model
from pqgan.storage.manifest import check_listed

FILE = "selected.json"
TRAINING = "training_provenance.json"
"""Beside it: the provenance of the chosen one."""
TOP = 3
"""Of the best that are named beside the chosen one, with it (section 4.4)."""


class Candidate(BaseModel):
    """A configuration that was compared."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    values: dict[str, FiniteFloat]
    """By metric, on the validation set."""
    mean_rank: PositiveFloat
    """Of its ranks by each metric, 1 the best."""


class Selected(BaseModel):
    """What is written beside the chosen tokenizer."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    run: str
    """Its configuration."""
    F: PositiveInt
    mode: str
    """measured or named."""
    metrics: tuple[str, ...] = ()
    """That candidates were ranked by; none where the reading names the tokenizer."""
    candidates: dict[str, Candidate]
    """By configuration; empty where the reading names the tokenizer."""
    top: tuple[str, ...] = ()
    """The best three by mean rank, best first, the chosen one before all."""
    left_out: tuple[str, ...] = ()
    """Configurations of which a metric is no finite number."""
    model: str
    """Folder of the chosen one."""

    @model_validator(mode="before")
    @classmethod
    def _named_of_old(cls, values: Any) -> Any:
        """A choice by name as it was written when a single metric decided: without any."""
        if isinstance(values, dict) and values.get("metric", ...) is None:
            return {key: value for key, value in values.items() if key != "metric"}
        return values

    @model_validator(mode="after")
    def _fits_together(self) -> "Selected":
        if not self.candidates:
            if self.metrics or self.top:
                raise ValueError("metrics or a top without the candidates that they are of")
            return self
        if not self.metrics or any(metric not in METRICS for metric in self.metrics):
            raise ValueError("candidates without the metrics that they were compared by")
        if any(set(candidate.values) != set(self.metrics) for candidate in self.candidates.values()):
            raise ValueError("a candidate without a value of each metric")
        ranks = sorted(candidate.mean_rank for candidate in self.candidates.values())[:TOP]
        if [self.candidates[name].mean_rank for name in self.top if name in self.candidates] != ranks:
            raise ValueError("a top that is not the best by mean rank")
        if self.run != self.top[0] or len(set(self.top)) != len(self.top):
            raise ValueError("a top that the chosen one does not stand before")
        return self


def read_selected(folder: Path, job: Job) -> Selected:
    """The selected.json of a selection.

    Args:
        folder: of its result.
        job: of chapter select; its inputs are the candidates.

    Raises:
        DataError: it does not say which was selected, or names one that is no candidate.
    """
    path = folder / FILE
    about = read_model(path, Selected, "that of a finished result; delete its folder and make it again")
    check_listed(path)
    if job.name != f"f{about.F}" or f"model-{about.run}" not in job.inputs:
        raise DataError(
            f"{path}: names {about.run!r} of F={about.F}; expected one of the candidates for F={job.name[1:]}; delete "
            "the folder and select again"
        )
    return about


def plan_here(settings: Settings) -> Plan:
    """The plan of a scale, with what the finished selections below the working directory chose.

    Raises:
        SettingsError: as from Plan.
        DataError: a selection is damaged, or is not the one of its address.
    """
    plan = Plan(settings)
    if settings.named_selection:
        return plan
    chosen: dict[int, str] = {}
    for job in plan.chapter("select").values():
        if Path(job.path).is_dir():
            read_origin(Path(job.path), job)
            about = read_selected(Path(job.path), job)
            chosen[about.F] = about.run
    return Plan(settings, chosen) if chosen else plan
