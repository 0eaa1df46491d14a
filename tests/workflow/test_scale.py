"""Planning the paper's sweep stays quick and small."""

import json
import re
import resource
import subprocess
import sys
import time

import pytest
from whole_plan import whole_plan

from pqgan.report import contents
from pqgan.settings import load

pytestmark = pytest.mark.thorough
MEASURED = """
import resource, subprocess, sys
code = subprocess.run([sys.executable, "-m", "snakemake", *sys.argv[1:]]).returncode
print("peak", resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024, file=sys.stderr)
sys.exit(code)
"""


def plan(checkout) -> tuple[int, float, int]:
    """Jobs of the paper's whole DAG, processor seconds and peak memory in bytes of planning it."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [sys.executable, "-c", MEASURED, "-n", "--cores", "all", "--profile", "slurm", "--quiet", "rules"]
    run = subprocess.run(command, cwd=checkout.folder, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr[-3000:]
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    jobs = int(re.search(r"^total +(\d+)$", run.stdout + run.stderr, re.MULTILINE)[1])
    return jobs, seconds, int(re.search(r"^peak (\d+)$", run.stderr, re.MULTILINE)[1])


def test_the_whole_paper_is_planned_in_seconds_and_little_memory(paper):
    jobs, seconds, memory = plan(paper)
    assert jobs > 2 * 2 * 160
    assert seconds < 15
    assert memory < 1e9


def test_ten_times_the_sweep_takes_at_most_ten_times_as_long(paper):
    _, before, _ = plan(paper)
    few = whole_plan(load(paper.folder / "params.yaml", "paper")).chapter("tokenizer")
    paper.change("scales.paper.tokenizer.grid.K", [*range(64, 64 * 48, 64), 4096, 5120, 8192])
    many = whole_plan(load(paper.folder / "params.yaml", "paper")).chapter("tokenizer")
    assert len(many) > 9.8 * len(few)
    jobs, seconds, memory = plan(paper)
    assert jobs > 2 * len(many)
    assert seconds < 10 * before
    assert memory < 1e9


def test_dvc_looks_at_all_results_of_the_paper_in_seconds(paper):
    paper.change("scale", "paper")
    for job in whole_plan(load(paper.folder / "params.yaml")).all():
        folder = paper.folder / job.path
        folder.mkdir(parents=True)
        for number in range(8):  # as many as a trained model has
            (folder / f"file{number}").write_text(f"{job.path} {number}")
    (paper.folder / "reports").mkdir()
    for item in contents.ITEMS:
        (paper.folder / f"reports/{item}.json").write_text(json.dumps({"item": item}))
    (paper.folder / "reports/metrics.json").write_text("{}")
    paper.run("dvc", "commit", "--force")
    began = time.monotonic()
    assert "up to date" in paper.run("dvc", "status")
    assert time.monotonic() - began < 20
