"""Put each fault of the list into a copy of the code, run the tests that should notice, and name those that did not.

PYTHONPATH=tests/mutations python -m mutation_run [--area AREA ...] [--range 10-20] [--workers 2] [--resume]
"""

import argparse
import json
import os
import shutil
import sys
import tempfile
import time
from collections import Counter, defaultdict
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import Queue
from threading import Lock

from mutation_child import run_tests
from mutation_list import ROOT, Fault, StaleError, digest, files_of, read

LEFT_OUT = {".git", ".venv", ".snakemake", "build", "data", "results", "logs", "benchmarks", "runs", "benches"}
"""Of the root: what a checkout has besides the code."""
LEAST = 0.95
"""Share of faults that have to be noticed."""
NOTICED, SURVIVED, LATE = "noticed", "SURVIVED", "noticed by the clock"


def copy(folder: Path) -> Path:
    """A copy of the code to break, without what Python has compiled of it."""

    def ignored(place: str, names: list[str]) -> set[str]:
        top = LEFT_OUT if Path(place) == ROOT else set()
        return {name for name in names if name in top or name == "__pycache__"}

    shutil.copytree(ROOT, folder, ignore=ignored, symlinks=True)
    return folder


def passes(tree: Path, tests: tuple[str, ...], timeout: float) -> tuple[str, str]:
    """Whether some tests notice, and the line that says so."""
    code, words = run_tests(tree, tests, timeout)
    said = words.strip().splitlines() or [""]
    if code is None:
        return LATE, f"longer than {timeout:g} s"
    if code not in (0, 1, 2):
        raise StaleError(f"{' '.join(tests)}: pytest ends with {code}: {said[-1]}")
    why = [line for line in said if line.startswith(("FAILED", "ERROR"))] or said[-1:]
    return (NOTICED if code else SURVIVED), why[0]


def try_one(fault: Fault, tree: Path, timeout: float) -> dict:
    """The fault in its file, the tests, and the file as it was."""
    path = tree / fault.file
    before, started = path.read_text(), time.monotonic()
    try:
        path.write_text(fault.applied_to(before))
        outcome, why = passes(tree, fault.tests, timeout)
    finally:
        path.write_text(before)
    return {"outcome": outcome, "why": why, "seconds": round(time.monotonic() - started, 1)}


def product() -> list[str]:
    """Files that tests may depend on, besides their own."""
    folders = (path for folder in ("pqgan", "workflow") for path in sorted((ROOT / folder).rglob("*")))
    found = [path for path in folders if path.is_file() and "__pycache__" not in path.parts]
    return [path.relative_to(ROOT).as_posix() for path in (*found, ROOT / "params.yaml", ROOT / "Snakefile")]


class Trial:
    """Faults in copies of the code, a copy for each worker.

    Args:
        faults: that may be tried.
        trees: the copies.
        timeout: seconds of one fault's tests.
        log: takes each outcome as it comes, so that a later call can go on.
        known: outcomes of an earlier call, by key.
    """

    def __init__(self, faults: list[Fault], trees: list[Path], timeout: float, log: Path, known: dict[str, dict]):
        self.trees: Queue[Path] = Queue()
        for tree in trees:
            self.trees.put(tree)
        self.timeout, self.log, self.known = timeout, log, known
        # of the code as it was copied: somebody may go on writing it
        code = product()
        self._keys = {fault: fault.key(ROOT) for fault in faults}
        self._sound = {fault.tests: digest(ROOT, [*code, *files_of(fault.tests)], *fault.tests) for fault in faults}
        self._lock = Lock()

    def __call__(self, fault: Fault) -> dict:
        """Outcome of a fault.

        Raises:
            StaleError: its tests do not pass without it.
        """
        key = self._keys[fault]
        if key in self.known:
            return self.known[key]
        tree = self.trees.get()
        try:
            self._check(tree, fault.tests)
            found = self._note(key, try_one(fault, tree, self.timeout))
        finally:
            self.trees.put(tree)
        seconds = f"{found['seconds']:6} s"
        print(f"{fault.number:4} {fault.area:10} {found['outcome']:10} {seconds}  {fault.breaks}", flush=True)
        return found

    def _check(self, tree: Path, tests: tuple[str, ...]) -> None:
        """That the tests pass without any fault; once."""
        key = self._sound[tests]
        if key in self.known:
            return
        outcome, why = passes(tree, tests, self.timeout)
        if outcome != SURVIVED:
            raise StaleError(f"{' '.join(tests)}: does not pass without any fault: {why}")
        self.known[key] = self._note(key, {"outcome": "sound"})

    def _note(self, key: str, found: dict) -> dict:
        with self._lock, open(self.log, "a") as file:
            file.write(json.dumps({"key": key, **found}) + "\n")
        return found


def run(faults: list[Fault], workers: int, timeout: float, log: Path, resume: bool) -> dict[int, dict]:
    """Outcome of each fault by its number."""
    known = {}
    if resume and log.is_file():
        known = {entry["key"]: entry for entry in map(json.loads, log.read_text().splitlines())}
    log.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="mutations-") as scratch, ThreadPoolExecutor(workers) as pool:
        trees = [copy(Path(scratch) / str(number)) for number in range(workers)]
        tried = pool.map(Trial(faults, trees, timeout, log, known), faults)
        return dict(zip((fault.number for fault in faults), tried, strict=True))


def report(faults: list[Fault], outcomes: dict[int, dict]) -> bool:
    """Print survivors, areas and the share; whether all is well."""
    alive = [fault for fault in faults if outcomes[fault.number]["outcome"] == SURVIVED]
    for fault in alive:
        why = fault.accepted or "NOT EXPLAINED"
        print(f"survivor {fault.number}: {fault.file}: {fault.old!r} -> {fault.new!r}: {fault.breaks}: {why}")
    for fault in faults:
        if fault.accepted and fault not in alive:
            print(f"note {fault.number}: {fault.breaks}: is noticed now; take the reason off the list")
    counts = defaultdict(Counter)
    for fault in faults:
        counts[fault.area][fault in alive] += 1
    for area, count in counts.items():
        print(f"{area:12} {count[False]:3} of {count.total():3} noticed")
    share = 1 - len(alive) / len(faults)
    seconds = sum(outcome["seconds"] for outcome in outcomes.values())
    unexplained = sum(not fault.accepted for fault in alive)
    print(
        f"{len(faults) - len(alive)} of {len(faults)} noticed, {share:.1%}; {len(alive)} survivors, {unexplained} "
        f"without a reason; {seconds / 60:.0f} min of tests"
    )
    return share >= LEAST and not unexplained


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--area", action="append", help="only of this area; may be given again")
    parser.add_argument("--range", default="1-", help="only these numbers of the list: 10, 10-20 or 10-")
    parser.add_argument("--workers", type=int, default=2, help="copies that are broken at a time (default: 2)")
    parser.add_argument("--timeout", type=float, default=300, help="seconds of a fault's tests (default: 300)")
    parser.add_argument("--resume", action="store_true", help="keep what an earlier call found, where nothing changed")
    parser.add_argument("--log", type=Path, default=ROOT / "logs" / "mutations.jsonl")
    given = parser.parse_args()
    first, dash, last = given.range.partition("-")
    last = last if dash else first
    # the last is of semaphores that ended processes have left
    os.environ |= {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "PYTHONWARNINGS": "ignore:resource_tracker"}
    try:
        faults = [
            fault
            for fault in read()
            if (not given.area or fault.area in given.area) and int(first) <= fault.number <= int(last or 10**6)
        ]
        for fault in faults:
            fault.applied_to((ROOT / fault.file).read_text())
        if not faults:
            parser.error("no fault in the list is meant")
        return 0 if report(faults, run(faults, given.workers, given.timeout, given.log, given.resume)) else 1
    except StaleError as error:
        print(f"mutations: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
