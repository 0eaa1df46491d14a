"""Are the finished results of a plan, byte for byte, what was written, and at their own addresses: `pqgan verify`."""

import sys
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tqdm import tqdm

from pqgan.errors import DataError, SettingsError
from pqgan.job import Job
from pqgan.machine import cores
from pqgan.plan import Plan
from pqgan.records import origin_of
from pqgan.storage.manifest import damages


def run(plan: Plan, chapters: Iterable[str] = ()) -> None:
    """Hash every file of every finished result at the addresses of a plan, below the working directory.

    Prints a line for each file that is damaged, missing or not listed in its folder's SHA256SUMS, and for each whole
    result that says of itself that it is another than that of its address.

    Args:
        chapters: to look at; all where none is given.

    Raises:
        SettingsError: there is no such chapter.
        DataError: something is wrong; says in how many results.
    """
    jobs = plan.all()
    known = list(dict.fromkeys(job.chapter for job in jobs))
    wanted = list(chapters) or known
    if unknown := [chapter for chapter in wanted if chapter not in known]:
        raise SettingsError(f"got {', '.join(unknown)}; allowed: {', '.join(known)}")
    planned = [job for job in jobs if job.chapter in wanted]
    finished = [job for job in planned if not job.awaits and Path(job.path).is_dir()]
    bad = []
    for job, lines in zip(finished, _all_damages(finished), strict=True):
        if lines:
            bad.append(job.path)
        for line in lines:
            tqdm.write(line, file=sys.stdout)
    if bad:
        waiting = sum(any(selection.path in bad for selection in job.awaits) for job in planned)
        more = f"; {waiting} that follow from a selection were not looked at" if waiting else ""
        raise DataError(
            f"{len(bad)} of {len(finished)} finished results are damaged{more}; delete each folder, then restore it "
            "with `dvc checkout` or make it again with snakemake"
        )
    print(f"{len(finished)} of {len(planned)} planned results are finished; every file of them is as it was written")


def _all_damages(finished: list[Job]) -> Iterator[list[str]]:
    quiet = not sys.stderr.isatty()
    # threads do, because sha256 releases the interpreter
    with ThreadPoolExecutor(cores()) as pool:
        try:
            found = pool.map(_flaws, finished)
            yield from tqdm(found, "verify", len(finished), unit="result", leave=False, disable=quiet)
        finally:
            pool.shutdown(cancel_futures=True)


def _flaws(job: Job) -> list[str]:
    if lines := damages(Path(job.path)):
        return lines
    try:
        origin_of(job.path, job)
    except DataError as error:
        return [str(error)]
    return []
