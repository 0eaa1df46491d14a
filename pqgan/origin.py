"""What a result says of itself: read back, and held against the job at whose address it lies."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, NonNegativeInt, ValidationError, field_validator

from pqgan.errors import DataError
from pqgan.job import DIGEST, Job
from pqgan.storage.json_files import first_flaw, in_line, read_object
from pqgan.storage.manifest import check_listed

from .chapters import CHAPTERS

FILE = "provenance.json"
REMEDY = "delete the folder and make it again"
RENAMED = {chapter.name for chapter in CHAPTERS.values() if chapter.shared}
"""Chapters whose results checkouts share: the digest says all of them, and the scale may have another name there."""


class Named(BaseModel):
    """The job that a result is of."""

    model_config = ConfigDict(frozen=True)

    chapter: str
    name: str
    scale: str
    digest: Annotated[str, Field(pattern=f"^[0-9a-f]{{{DIGEST}}}$")]


class Code(BaseModel):
    """The repository that made a result."""

    model_config = ConfigDict(frozen=True)

    revision: str | None
    modified: bool | None
    """None where git did not say."""


class Environment(BaseModel):
    """What made a result, and what it took."""

    model_config = ConfigDict(frozen=True)

    git: Code
    packages: dict[str, str]
    device: str
    finished: str
    """ISO 8601, with its offset from UTC."""
    seconds: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    peak_memory_bytes: NonNegativeInt
    peak_memory_of: str

    @field_validator("finished")
    @classmethod
    def _is_a_moment(cls, value: str) -> str:
        try:
            moment = datetime.fromisoformat(value)
            moment.astimezone(UTC)
        except OverflowError:
            raise ValueError("no moment of UTC") from None
        if moment.tzinfo is None:
            raise ValueError("a moment without its offset from UTC")
        return value


class Origin(Environment):
    """A provenance.json, or the provenance of a record, as pqgan.provenance writes it; has more entries."""

    job: Named
    settings: dict[str, Any]
    inputs: dict[str, str]


def checked(file: Path, said: Mapping[str, Any], job: Job, *, any_digest: bool = False) -> Origin:
    """The origin of a result that must be that of a job.

    Args:
        file: that says it.
        said: what it says.
        job: of the plan, at whose address the file lies.
        any_digest: whether it may have been made with other settings, as what was collected earlier.

    Raises:
        DataError: it says nothing of the kind, or that it is another result.
    """
    try:
        origin = Origin.model_validate(said)
    except ValidationError as error:
        raise DataError(f"{file}: provenance: {first_flaw(error)}; {REMEDY}") from None
    for key, found in origin.job:
        if (key == "digest" and any_digest) or (key == "scale" and job.chapter in RENAMED):
            continue
        if found != (expected := getattr(job, key)):
            raise DataError(
                f"{file}: is the result of {key} {in_line(repr(found))}; its folder is that of {expected!r}; put back "
                f"what belongs there, or {REMEDY}"
            )
    return origin


def read_origin(folder: Path, job: Job, *, any_digest: bool = False) -> Origin:
    """The provenance.json of a result.

    Raises:
        DataError: as `checked`; or it is missing or damaged.
    """
    file = Path(folder) / FILE
    said = read_object(file, f"the provenance of a finished result; {REMEDY}")
    check_listed(file)
    return checked(file, said, job, any_digest=any_digest)
