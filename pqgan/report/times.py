"""Where the time of a run went, from Snakemake's benchmark files."""

import csv
import io
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pqgan.chapters import PHASES, REPORT, gpus_of
from pqgan.errors import DataError
from pqgan.plan import Plan
from pqgan.storage.json_files import read_text

from . import contents
from .results import Results


@dataclass(frozen=True)
class RuleTime:
    """Wall time of the jobs of one rule."""

    phase: str
    rule: str
    jobs: int
    seconds: float
    longest: float
    gpus: int
    """That each of the jobs had to itself."""

    @property
    def gpu_hours(self) -> float:
        return self.seconds * self.gpus / 3600


@dataclass(frozen=True)
class RunTimes:
    """Wall time of a run by rule, and what of it was spent outside the jobs' own clocks."""

    rules: list[RuleTime]
    startup_seconds: float
    startup_jobs: int
    """Jobs whose provenance says how long they took by their own clock."""

    def phases(self) -> dict[str, float]:
        """Seconds by part of the run."""
        return {
            phase: sum(rule.seconds for rule in self.rules if rule.phase == phase)
            for phase in PHASES
            if any(rule.phase == phase for rule in self.rules)
        }

    @property
    def gpu_hours(self) -> float:
        """Of all jobs."""
        return sum(rule.gpu_hours for rule in self.rules)


def show(plan: Plan, benchmarks: Path) -> str:
    """Where the time of a run went, as lines for a terminal.

    Raises:
        DataError: no benchmark of the scale, or one that cannot be read.
    """
    finished = Results(job for job in plan.addressed() if Path(job.path).is_dir())
    own_seconds = {job["path"]: job["seconds"] for job in finished.provenance()}
    times = run_times(plan, benchmarks / plan.settings.name, own_seconds)
    if not times.rules:
        raise DataError(f"{benchmarks}/{plan.settings.name}: no benchmark of a planned job; run snakemake first")
    lines = [f"{'part':20}{'rule':22}{'jobs':>5}{'seconds':>9}{'longest':>9}"]
    lines += [
        f"{rule.phase:20}{rule.rule:22}{rule.jobs:5}{rule.seconds:9.1f}{rule.longest:9.1f}" for rule in times.rules
    ]
    total = sum(rule.seconds for rule in times.rules)
    lines += [f"{phase:47}{seconds:9.1f}  {seconds / total:4.0%}" for phase, seconds in times.phases().items()]
    share = times.startup_seconds / total
    lines.append(f"{f'start-up (of {times.startup_jobs} jobs above)':47}{times.startup_seconds:9.1f}  {share:4.0%}")
    lines.append(f"{'GPU hours, each job times the GPUs it had':47}{times.gpu_hours:9.1f}")
    lines.append(f"{'all, summed over jobs that ran side by side':47}{total:9.1f}")
    return "\n".join(lines)


def run_times(plan: Plan, folder: Path, own_seconds: Mapping[str, float]) -> RunTimes:
    """Sum up the benchmark files of the present plan; those of older settings are left out.

    Args:
        folder: benchmarks/<scale>.
        own_seconds: path of a result -> seconds by its provenance.

    Raises:
        DataError: a file that is no benchmark.
    """
    planned: dict[str, list[tuple[Path, str | None]]] = {}
    for job in plan.addressed():
        planned.setdefault(job.chapter, []).append((folder / job.chapter / f"{job.id}.tsv", job.path))
    planned[REPORT] = [(folder / REPORT / f"{item}.tsv", None) for item in contents.items(plan)]
    rules, outside, known = [], 0.0, 0
    hardware = plan.settings.scale.hardware
    for phase, names in PHASES.items():
        for name in names:
            found = [(_seconds(file), path) for file, path in planned.get(name, []) if file.is_file()]
            if found:
                seconds = [taken for taken, _ in found]
                rules.append(RuleTime(phase, name, len(found), sum(seconds), max(seconds), gpus_of(name, hardware)))
            for taken, path in found:
                # a result restored from elsewhere was not timed by this benchmark
                if path in own_seconds and own_seconds[path] <= taken:
                    outside += taken - own_seconds[path]
                    known += 1
    return RunTimes(rules, outside, known)


def _seconds(path: Path) -> float:
    expected = "a benchmark file of Snakemake; delete it"
    rows = csv.DictReader(io.StringIO(read_text(path, expected), newline=""), delimiter="\t")
    try:
        seconds = [float(row["s"]) for row in rows]
        if all(0 <= each < math.inf for each in seconds):
            return sum(seconds) / len(seconds)
    except (KeyError, TypeError, ValueError, ZeroDivisionError, csv.Error):
        pass
    raise DataError(f"{path}: no column s with seconds; expected {expected}")
