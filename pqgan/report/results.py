"""The result folders behind one table or figure."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pqgan.errors import DataError
from pqgan.job import Job
from pqgan.records import Measurement, Record, read_record

MEASURED_CHAPTERS = ("evaluate", "evaluate_finetuned", "generation", "speed", "matching")
"""Chapters whose results are records and keep their provenance in them."""

PROVENANCE_KEYS = ("git", "packages", "device", "finished", "seconds", "peak_memory_bytes", "peak_memory_of")


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text())
    except FileNotFoundError:
        raise DataError(f"{path}: no such file; expected the folder of a finished result; make it again") from None
    except json.JSONDecodeError:
        raise DataError(f"{path}: not JSON; delete its folder and make it again") from None
    if not isinstance(content, dict):
        raise DataError(f"{path}: got {type(content).__name__}; expected a JSON object; delete its folder")
    return content


class Results:
    """Finished jobs by chapter and name, at the addresses the plan gives them below the working directory.

    Args:
        jobs: what the item reads.
        collected: folder with CHAPTER/NAME/ of each in their place, as `pqgan collect` makes it.

    Raises:
        DataError: a result is missing.
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
        self._records: dict[tuple[str, str], Record] = {}

    def folder(self, chapter: str, name: str) -> Path:
        return self._folders[chapter, name]

    def record(self, chapter: str, name: str) -> Record:
        """The metrics.json of a job."""
        key = (chapter, name)
        if key not in self._records:
            self._records[key] = read_record(self.folder(chapter, name))
        return self._records[key]

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

    def read(self, chapter: str, name: str, file: str) -> dict[str, Any]:
        """A JSON file of a job."""
        return _read_json(self.folder(chapter, name) / file)

    def selected(self, factor: int) -> dict[str, Any]:
        """Which tokenizer was selected for a factor F: run, mode, metric, candidates."""
        return self.read("select", f"f{factor}", "selected.json")

    def pictures(self, chapter: str, name: str, pattern: str = "*.png", below: str = ".") -> list[Path]:
        """Pictures of a job whose names begin with their number, in order.

        Raises:
            DataError: there is none.
        """
        folder = self.folder(chapter, name) / below
        found = sorted(folder.glob(pattern), key=lambda path: int(path.stem.partition("_")[0]))
        if not found:
            raise DataError(f"{folder}: no {pattern}; expected the pictures of the job; delete the folder")
        return found

    def provenance(self) -> list[dict[str, Any]]:
        """Where each result comes from, in the order of the jobs."""
        return [self._provenance(job) for job in self.jobs]

    def _provenance(self, job: Job) -> dict[str, Any]:
        if job.chapter in MEASURED_CHAPTERS:
            found = self.record(job.chapter, job.name).provenance
        else:
            found = self.read(job.chapter, job.name, "provenance.json")
        kept = {key: found[key] for key in PROVENANCE_KEYS if key in found}
        if missing := set(PROVENANCE_KEYS) - set(kept):
            raise DataError(f"{job.path}: its provenance has no {', '.join(sorted(missing))}; delete the folder")
        # what was collected says itself where it lay, whatever the plan is now
        path = f"{job.root}/{job.name}-{found['job']['digest']}" if self.collected else job.path
        return {"path": path, "chapter": job.chapter, "name": job.name, **kept}
