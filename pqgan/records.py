"""metrics.json: what was measured, how, on how many images, through which networks. Tables read nothing else."""

from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, ValidationError, WithJsonSchema, model_validator

from pqgan import origin
from pqgan.errors import DataError
from pqgan.job import Job
from pqgan.origin import Origin
from pqgan.storage.atomic import write_text
from pqgan.storage.json_files import first_flaw, in_line, read_model
from pqgan.storage.manifest import check_listed
from pqgan.subjects import KINDS, SUBJECTS, Searched

Number = Annotated[float, WithJsonSchema({"anyOf": [{"type": "number"}, {"enum": ["Infinity", "-Infinity", "NaN"]}]})]
"""As JSON has no numbers that are not finite, these are strings in the file."""


class FeatureNetwork(BaseModel):
    """A network that a metric looks through."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    origin: str
    """Where its weights come from: an address, a hub id with its revision, or the seed of random ones."""
    files: dict[str, str]
    """sha256 of each file of weights that was read; empty where they are random."""


class Measurement(BaseModel):
    """One number and what it means."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=True, ser_json_inf_nan="strings")

    metric: str
    """As in pqgan.metrics."""
    value: Number
    unit: str = ""
    n: int
    """Images, samples or repeats behind the value."""
    protocol: str
    """How it was computed, in words a reader of the table understands."""
    interval: tuple[Number, Number] | None = None
    """Of the value: 95 %, by bootstrap over images, or over the turns of a bench; None where there is none."""
    network: str | None = None
    """Feature network with its weights, as Record.networks names it; None where the metric has none."""
    on: str | None = None
    """Set it was measured on: val, FFHQ, LSUN, ...; None where there is none."""
    headline: bool = True
    """Whether tables show it; False for the other reading of the same metric."""
    conditions: dict[str, Any] = {}
    """Anything else that varies inside one record: d, S, K, batch, resolution, ..."""


class Record(BaseModel):
    """A metrics.json file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: Literal[2] = 2
    kind: Literal["reconstruction", "generation", "matching", "speed"]
    name: str
    """Of the job: f8-d128-S64-K512, PQSD-Quick, ..."""
    scale: str | None
    """None where no scale of params.yaml was run: `pqgan evaluate` on a folder."""
    subject: dict[str, Any]
    """What was measured: the tokenizer's or generator's settings (kind, F, d, S, K, method, resolution, ...)."""
    sets: dict[str, str] = {}
    """Set by role -> name of the prepared set that played it."""
    measurements: list[Measurement]
    networks: dict[str, FeatureNetwork] = {}
    """Those that the measurements name."""
    device: str
    """That computed, as tables name it."""
    dtype: str
    """What networks computed in: fp32, bf16, ..."""
    seconds: float
    """The measuring took, from the first image to the last number."""
    provenance: dict[str, Any]

    @model_validator(mode="after")
    def _networks_are_known(self) -> Self:
        named = {item.network for item in self.measurements if item.network is not None}
        if unknown := named - set(self.networks):
            raise ValueError(f"networks: {', '.join(sorted(unknown))} is missing; allowed: all that measurements name")
        return self

    def get(self, metric: str, on: str | None = None) -> Measurement | None:
        """The headline measurement of a metric, or None."""
        for item in self.measurements:
            if item.metric == metric and item.headline and (on is None or item.on == on):
                return item
        return None


def write_record(folder: Path, record: Record) -> None:
    """Write `metrics.json` into a folder."""
    write_text(Path(folder) / "metrics.json", record.model_dump_json(indent=1) + "\n")


def read_record(folder: Path | str, job: Job | None = None, *, any_digest: bool = False) -> Record:
    """Read the metrics.json of a result folder.

    Args:
        job: of the plan, at whose address the folder lies; nothing of the kind is checked where it is None.
        any_digest: see pqgan.origin.checked.

    Raises:
        DataError: it is missing or not a record, or that of another job.
    """
    path = Path(folder) / "metrics.json"
    record = read_model(path, Record, f"a record of schema 2, made by an evaluation; {origin.REMEDY}")
    if job is not None:
        check_listed(path)
        _check(path, record, job, any_digest)
    return record


def _check(path: Path, record: Record, job: Job, any_digest: bool) -> None:
    origin.checked(path, record.provenance, job, any_digest=any_digest)
    for key, found, expected in (
        ("kind", record.kind, KINDS[job.chapter]),
        ("name", record.name, job.name),
        ("scale", record.scale, job.scale),
    ):
        if found != expected:
            raise DataError(
                f"{path}: has the {key} {in_line(repr(found))}; its folder is that of {expected!r}; put back what "
                f"belongs there, or {origin.REMEDY}"
            )
    try:
        SUBJECTS[record.kind].model_validate(record.subject)
        if record.kind == "matching":
            for item in record.measurements:
                Searched.model_validate(item.conditions)
    except ValidationError as error:
        raise DataError(f"{path}: what was measured: {first_flaw(error)}; {origin.REMEDY}") from None


def origin_of(folder: Path | str, job: Job, *, any_digest: bool = False) -> Origin:
    """Where the result of any chapter comes from, by its record or its provenance.json.

    Raises:
        DataError: it does not say so, or is the result of another job.
    """
    if job.chapter not in KINDS:
        return origin.read_origin(Path(folder), job, any_digest=any_digest)
    return Origin.model_validate(read_record(folder, job, any_digest=any_digest).provenance)
