"""Snakemake's own commands, word for word as the documents and its users give them: without a number of cores."""

import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

SHORT = {
    "--unlock": "Unlocked working directory.",
    "--dag": "digraph snakemake_dag",
    "-n": "train_tokenizer",
}
OTHERS = {
    "--rulegraph": "digraph snakemake_dag",
    "--summary": "reports/report.html",
    "--detailed-summary": "reports/report.html",
    "--filegraph": "digraph snakemake_dag",
    "--list-rules": "train_tokenizer",
    "--lint": "Congratulations",
    "--delete-all-output -n": "Building DAG of jobs",
    "--profile slurm --config scale=smoke --unlock": "Unlocked working directory.",
    "--profile slurm --config scale=smoke -n": "train_tokenizer",
}
"""Commands, and what they say."""


@pytest.mark.parametrize("command", [*SHORT, *(pytest.param(each, marks=pytest.mark.thorough) for each in OTHERS)])
def test_a_command_needs_no_number_of_cores(checkout, command):
    assert (SHORT | OTHERS)[command] in checkout.run("snakemake", *command.split())


@pytest.mark.thorough
def test_an_archive_holds_the_workflow(checkout):
    checkout.run("snakemake", "--archive", "workflow.tar.gz")
    with tarfile.open(checkout.folder / "workflow.tar.gz") as archive:
        names = {Path(name).name for name in archive.getnames()}
    assert {"Snakefile", "tokenizer.smk", "params.yaml"} <= names


def test_a_run_makes_the_folders_of_all_chapters(checkout):
    """DVC asks for a folder of every chapter, of those with nothing in them too."""
    assert not (checkout.folder / "results").exists()
    first = next(iter(checkout.plan.chapter("data").values())).path
    assert "Provided cores: 1 " in checkout.run("snakemake", "--cores", "1", "--", first)
    assert (checkout.folder / "results/smoke/published").is_dir()
    assert (checkout.folder / first).is_dir()


@pytest.mark.thorough
def test_a_lock_that_a_killed_snakemake_left_is_taken_away_by_unlock(checkout):
    target = next(iter(checkout.plan.chapter("data").values())).path
    (checkout.folder / "bin").mkdir()
    (checkout.folder / "bin/pqgan").write_text(f"#!/bin/sh\nkill -9 $(cat {checkout.folder}/pid)\nsleep 1\n")
    (checkout.folder / "bin/pqgan").chmod(0o755)
    environment = {**checkout.environment, "PATH": f"{checkout.folder}/bin:{checkout.environment['PATH']}"}
    killed = subprocess.Popen(
        ["sh", "-c", f"echo $$ > {checkout.folder}/pid; exec {sys.executable} -m snakemake -- {target}"],
        cwd=checkout.folder,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    assert killed.wait(60) == -9
    assert "LockException" in checkout.run("snakemake", "--", target, code=1)
    checkout.run("snakemake", "--unlock")
    checkout.run("snakemake", "--", target)
    assert (checkout.folder / target).is_dir()
