"""Arguments out of all proportion are refused in one line that says how much is allowed, and why."""

import os
import time

import pytest

from pqgan.cli import main
from pqgan.machine import MOST, PER_CORE, cores, most_processes

EVALUATE = ["evaluate", "--model", "m", "--images", "i"]
CORES = f"at most {most_processes():,}: {PER_CORE} on each of the {cores()} cores at hand"


def refused(arguments: list[str], capsys) -> str:
    began = time.process_time()
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert time.process_time() - began < 2
    said = capsys.readouterr().err
    assert caught.value.code == 2
    assert said.count("\n") == 1
    assert len(said) < 500
    return said


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([*EVALUATE, "--workers", "1000000"], f"argument --workers: got '1000000'; expected {CORES}"),
        ([*EVALUATE, "--devices", "100000"], "argument --devices: got '100000'; expected at most 1,024: no machine"),
        ([*EVALUATE, "--batch", "1000000"], "at most 65,536: all are in memory at once"),
        ([*EVALUATE, "--limit", "9" * 5000], "at most 1,000,000,000,000"),
        ([*EVALUATE, "--size", "1000000"], "at most 65,536: no image has a longer side"),
        ([*EVALUATE, "--pictures", "1000000"], "at most 100,000: each is a file"),
        (["bench", "train", "--steps", "1000000"], "at most 100,000: each is an update"),
        (["bench", "train", "--cpus", "1000000"], CORES),
        (["bench", "train", "--workers", "1000000"], CORES),
        (["bench", "matching", "--threads", "1000000"], CORES),
        (["bench", "matching", "--positions", "1000000000"], "at most 16,777,216: all are in memory at once"),
        (["bench", "matching", "--case", f"{10**9},1,2"], "expected d,S,K where S divides d"),
        (["bench", "evaluation", "--images", "1000000"], "at most 100,000: all are in memory at once"),
        (["bench", "evaluation", "--repeats", "1000000"], "at most 10,000: each takes its time"),
        (["encode", "--model", "m", "--images", "i", "--out", "o", "--batch", "1000000"], "at most 65,536"),
        (["cost", "--images", "train=" + "9" * 5000], "at most 1,000,000,000,000"),
        (["cost", "--price", "1e999"], "a number above 0"),
        ([*EVALUATE, "--workers", "-1"], "a whole number from 0"),
        ([*EVALUATE, "--batch", "0"], "a whole number from 1"),
        ([*EVALUATE, "--batch", "\u0661\x1b[31m"], "a whole number from 1"),
        ([*EVALUATE, "--no\nsuch"], "unrecognized arguments: --no?such"),
    ],
)
def test_an_argument_that_cannot_be_meant_is_one_line(arguments, expected, capsys):
    said = refused(arguments, capsys)
    assert expected in said
    assert said.rstrip("\n").isprintable()


def test_as_much_as_the_machine_has_is_taken(params_path, capsys):
    # of which nothing is done, because there is no such configuration
    most = str(most_processes())
    arguments = [
        "bench",
        "matching",
        "none",
        "--threads",
        most,
        "--positions",
        "16777216",
        "--params",
        str(params_path),
    ]
    assert main(arguments) == 2
    assert "'none'" in capsys.readouterr().err


def test_cores_are_those_of_this_process():
    assert 1 <= cores() <= (os.cpu_count() or 1)


def test_more_processes_on_a_cpu_than_its_cores_bear_are_refused(tmp_path, capsys):
    (tmp_path / "images").mkdir()
    given = [
        "--generated",
        str(tmp_path / "images"),
        "--images",
        str(tmp_path / "images"),
        "--out",
        str(tmp_path / "out"),
    ]
    number = most_processes() + 1
    if number > MOST:
        pytest.skip("this machine bears more than a command takes")
    assert main(["evaluate", *given, "--device", "cpu", "--devices", str(number)]) == 5
    assert capsys.readouterr().err.splitlines() == [
        f"pqgan evaluate: --devices: got {number}; allowed: up to {most_processes()} processes on {cores()} cores"
    ]
