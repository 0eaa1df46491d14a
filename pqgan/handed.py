"""Are the folders that a command is given the results that its job is planned to be made from."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from pqgan.errors import DataError, SettingsError
from pqgan.job import Job
from pqgan.origin import FILE, RENAMED
from pqgan.storage.json_files import read_object


def with_inputs(job: Job, given: Mapping[str, Path | None], out: Path) -> Job:
    """The job as it is about to be done, which knows of inputs that are not the planned ones.

    Args:
        given: role -> folder.
        out: of the result.

    Raises:
        SettingsError: the result would lie at its planned address and be made of something else.
    """
    others = {
        role: folder
        for role, folder in given.items()
        if folder is not None and role in job.inputs and not _is_of(said_by(folder), job.inputs[role])
    }
    if others and out.resolve() == Path(job.path).resolve():
        role, folder = next(iter(others.items()))
        raise SettingsError(
            f"{role}: got {folder}, {_told(said_by(folder))}; {job.path} is made from {job.inputs[role].path}; "
            "give that, or another --out"
        )
    return replace(job, handed={role: str(folder) for role, folder in others.items()})


def _is_of(said: dict[str, Any] | None, job: Job) -> bool:
    # the scale may have another name where results are shared
    keys = [key for key in job.identity if key != "scale" or job.chapter not in RENAMED]
    return said is not None and all(said.get(key) == job.identity[key] for key in keys)


def said_by(folder: Path) -> dict[str, Any] | None:
    """The job that made a result, by its own words; of a part of a backbone, the one that made the backbone."""
    for place in (folder, folder.parent):
        try:
            said = read_object(place / FILE, "the provenance of a result").get("job")
        except DataError:
            continue
        return said if isinstance(said, dict) else None
    return None


def _told(said: dict[str, Any] | None) -> str:
    if said is None:
        return "which does not say what made it"
    return "which is {name} of chapter {chapter}, scale {scale}, digest {digest}".format_map(
        {key: said.get(key) for key in ("name", "chapter", "scale", "digest")}
    )
