"""The result folders behind one table or figure."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel

from pqgan.errors import DataError
from pqgan.job import Job
from pqgan.origin import Environment, Origin, read_origin
from pqgan.records import Measurement, Record, read_record
from pqgan.storage.json_files import read_model
from pqgan.storage.manifest import SUMS, check_listed, damages
from pqgan.subjects import KINDS
from pqgan.tokenizer.selected import Selected, read_selected

Model = TypeVar("Model", bound=BaseModel)


class Results:
    """Finished jobs by chapter and name, at the addresses the plan gives them below the working directory.

    Each must say of itself that it is the result whose address it has: chapter, name, scale, digest and, of a record,
    its kind. What was collected may be of an older plan, so that its digest is what it says itself; but every file of
    it must be as the SHA256SUMS beside its folder lists it. `pqgan collect` always writes one, so a folder without is
    refused: nothing would tell that its numbers are those that were measured.

    Args:
        jobs: what the item reads.
        collected: folder with CHAPTER/NAME/ of each in their place, as `pqgan collect` makes it.

    Raises:
        DataError: a result is missing, or is not what it should be.
    """

    def __init__(self, jobs: Iterable[Job], collected: Path | None = None):
        self.jobs, self.collected = list(jobs), collected
        self._folders = {
            (job.chapter, job.name): collected / job.chapter / job.name if collected else Path(job.path)
            for job in self.jobs
        }
        missing = [folder for folder in self._folders.values() if not folder.is_dir()]
        if missing:
            more = f" (and {len(missing) - 1} more)" if len(missing) > 1 else ""
            raise DataError(
                f"{missing[0]}{more}: no such folder; expected the finished result; make it with snakemake, from the "
                "repository's root"
            )
        if collected:
            _check_sums(collected)
        self._records: dict[tuple[str, str], Record] = {}
        self._origins = {(job.chapter, job.name): self._origin(job) for job in self.jobs}
        for job in self.jobs:
            if "of" in job.shown:
                self._join(("evaluate", job.shown["of"]), self._records[job.chapter, job.name])

    def _origin(self, job: Job) -> Origin:
        folder, any_digest = self.folder(job.chapter, job.name), self.collected is not None
        if job.chapter not in KINDS:
            return read_origin(folder, job, any_digest=any_digest)
        record = self._records[job.chapter, job.name] = read_record(folder, job, any_digest=any_digest)
        return Origin.model_validate(record.provenance)

    def _join(self, key: tuple[str, str], apart: Record) -> None:
        """Put what was measured apart into the record of its evaluation, where that is read."""
        if key in self._records:
            whole = self._records[key]
            self._records[key] = whole.model_copy(
                update={
                    "measurements": [*whole.measurements, *apart.measurements],
                    "sets": {**whole.sets, **apart.sets},
                    "networks": {**whole.networks, **apart.networks},
                }
            )

    def folder(self, chapter: str, name: str) -> Path:
        return self._folders[chapter, name]

    def has(self, chapter: str, name: str) -> bool:
        """Whether a job is among those that are read."""
        return (chapter, name) in self._folders

    def among(self, chapter: str, names: Iterable[str]) -> list[str]:
        """Those of the names that are read: a collection may be older than what was planned since."""
        return [name for name in names if self.has(chapter, name)]

    def record(self, chapter: str, name: str) -> Record:
        """The metrics.json of a job."""
        return self._records[chapter, name]

    def origin(self, chapter: str, name: str) -> Origin:
        """Where a job's result comes from."""
        return self._origins[chapter, name]

    def measurement(self, chapter: str, name: str, metric: str, on: str | None = None) -> Measurement:
        """The headline value of a metric.

        Raises:
            DataError: it was not measured.
        """
        found = self.record(chapter, name).get(metric, on=on)
        if found is None:
            where = f" on {on}" if on else ""
            path = self.folder(chapter, name) / "metrics.json"
            raise DataError(
                f"{path}: no headline {metric!r}{where}; expected one; delete the folder and evaluate again"
            )
        return found

    def read(self, chapter: str, name: str, file: str, model: type[Model]) -> Model:
        """A JSON file of a job."""
        path = self.folder(chapter, name) / file
        found = read_model(path, model, "that of a finished result; delete its folder and make it again")
        check_listed(path)
        return found

    def selected(self, factor: int) -> Selected:
        """Which tokenizer was selected for a factor F.

        Raises:
            DataError: it does not say so, or one that is no candidate.
        """
        name = f"f{factor}"
        job = next(job for job in self.jobs if (job.chapter, job.name) == ("select", name))
        return read_selected(self.folder("select", name), job)

    def pictures(self, chapter: str, name: str, pattern: str = "*.png", below: str = ".") -> list[Path]:
        """Pictures of a job whose names begin with their number, in order.

        Raises:
            DataError: there is none.
        """
        folder = self.folder(chapter, name) / below
        numbered = [path for path in folder.glob(pattern) if path.stem.partition("_")[0].isdecimal()]
        found = sorted(numbered, key=lambda path: int(path.stem.partition("_")[0]))
        if not found:
            raise DataError(f"{folder}: no {pattern}; expected the pictures of the job; delete the folder")
        return found

    def provenance(self) -> list[dict[str, Any]]:
        """Where each result comes from, in the order of the jobs."""
        return [self._provenance(job) for job in self.jobs]

    def _provenance(self, job: Job) -> dict[str, Any]:
        found = self.origin(job.chapter, job.name)
        # what was collected says itself where it lay, whatever the plan is now
        path = f"{job.root}/{job.name}-{found.job.digest}" if self.collected else job.path
        return {
            "path": path,
            "chapter": job.chapter,
            "name": job.name,
            **found.model_dump(include=set(Environment.model_fields)),
        }


def _check_sums(collected: Path) -> None:
    folder = collected.absolute()
    if wrong := damages(folder.parent, folder.name):
        more = f" (and {len(wrong) - 1} more)" if len(wrong) > 1 else ""
        raise DataError(
            f"{wrong[0]}{more}; --results must be the results/ of a folder that pqgan collect made, with its {SUMS} "
            "beside it and as it was made"
        )
