"""One process on a run folder: the living are left alone, the dead are replaced."""

import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from fault_points import AtStep, hold, kill
from fault_runs import is_dead, wait_for
from fault_sameness import assert_same, snapshot

from pqgan.engine.owner import HEARTBEAT, PATIENCE, Owner
from pqgan.errors import ResourceError

thorough = pytest.mark.thorough
GOES_ON = "died here; going on from its last checkpoint"


@pytest.fixture
def dead(abandoned) -> tuple[Path, dict]:
    """The file of an owner that was killed, and what it says."""
    (file,) = abandoned.run_folder.glob("owner-*.json")
    return file, json.loads(file.read_text())


def test_a_second_process_is_refused_and_the_first_undisturbed(training, reference):
    first = training.start(AtStep(6, hold))
    first.until_struck()
    before = training.checkpoints()
    training.run().failed(5, f"in use by process {first.pid} on {socket.gethostname()}", "SIGTERM")
    assert training.checkpoints() == before
    first.release()
    first.end().succeeded()
    assert_same(training.result, reference)


def test_a_dead_owner_is_replaced(abandoned, dead, reference):
    _, owner = dead
    ended = abandoned.run()
    ended.succeeded()
    lines = [line for line in ended.out.splitlines() if GOES_ON in line]
    assert lines == [f"{abandoned.job.run_path}: process {owner['pid']} on {socket.gethostname()} {GOES_ON}"]
    assert not list(abandoned.run_folder.glob("owner-*"))
    assert_same(abandoned.result, reference)


@thorough
def test_a_stopped_process_is_not_dead(training, reference):
    first = training.start(AtStep(6, hold))
    first.until_struck()
    first.signal(signal.SIGSTOP)
    training.run().failed(5, f"in use by process {first.pid}")
    first.signal(signal.SIGCONT)
    first.release()
    first.end().succeeded()
    assert_same(training.result, reference)


@thorough
def test_a_process_that_nobody_has_waited_for_is_dead(abandoned, dead, reference):
    file, owner = dead
    process = subprocess.Popen(["sleep", "1000"])
    started = psutil.Process(process.pid).create_time() - psutil.boot_time()
    file.write_text(json.dumps({**owner, "pid": process.pid, "started": started}))
    abandoned.run().failed(5, f"in use by process {process.pid}")
    process.kill()
    wait_for(lambda: is_dead(process.pid), "the process ends")
    abandoned.run().succeeded()
    process.wait()
    assert_same(abandoned.result, reference)


@thorough
def test_a_process_number_that_was_given_again_is_not_the_owner(abandoned, dead, reference):
    file, owner = dead
    file.write_text(json.dumps({**owner, "pid": os.getpid()}))
    abandoned.run().succeeded()
    assert_same(abandoned.result, reference)


@pytest.mark.parametrize(
    ("silence", "alive"), [(0, True), (PATIENCE + 60, False)], ids=["heard a moment ago", "silent for long"]
)
def test_an_owner_on_another_machine(silence, alive, abandoned, dead, reference):
    file, owner = dead
    file.write_text(json.dumps({**owner, "host": "node17", "place": "elsewhere", "job": "4711"}))
    os.utime(file, (time.time() - silence,) * 2)
    ended = abandoned.run()
    if alive:
        ended.failed(5, f"in use by process {owner['pid']} on node17, job 4711")
        assert file.exists()
    else:
        ended.succeeded()
        assert f"process {owner['pid']} on node17, job 4711 {GOES_ON}" in ended.out
        assert_same(abandoned.result, reference)


@thorough
def test_a_frozen_process_that_was_replaced_ends_without_a_trace(training, reference):
    frozen = training.start(AtStep(6, hold))
    frozen.until_struck()
    frozen.signal(signal.SIGSTOP)
    (file,) = training.run_folder.glob("owner-*.json")
    file.write_text(json.dumps({**json.loads(file.read_text()), "place": "elsewhere"}))
    os.utime(file, (time.time() - PATIENCE - 60,) * 2)
    training.run().succeeded()
    before = snapshot(training.result)
    frozen.signal(signal.SIGCONT)
    frozen.release()
    frozen.end().failed(5, "another process took over")
    assert snapshot(training.result) == before
    assert_same(training.result, reference)


@pytest.fixture
def other(tmp_path) -> Path:
    """The file of an owner in job 4711 on another machine, heard a moment ago."""
    file = tmp_path / "owner-1.json"
    name = {"host": "node17", "place": "elsewhere", "pid": 5, "started": 0.0, "job": "4711"}
    file.write_text(json.dumps({**name, "restart": 1}))
    return file


@pytest.fixture
def in_job(tmp_path, monkeypatch) -> Callable[..., None]:
    """(job, shell line of its scontrol, SLURM_RESTART_COUNT) -> this process is in a job of Slurm."""

    def enter(job: str, scontrol: str | None, count: str | None = None) -> None:
        monkeypatch.setenv("PATH", str(tmp_path))
        monkeypatch.setenv("SLURM_JOB_ID", job)
        monkeypatch.delenv("SLURM_RESTART_COUNT", raising=False)
        if count is not None:
            monkeypatch.setenv("SLURM_RESTART_COUNT", count)
        if scontrol is not None:
            (tmp_path / "scontrol").write_text(f'#!/bin/sh\n[ "$*" = "--oneliner show job {job}" ] && {scontrol}\n')
            (tmp_path / "scontrol").chmod(0o755)

    return enter


SAYS = "echo 'JobId=4711 JobName=Restarts=9 Requeue=1 Restarts={} BatchFlag=1'"


@pytest.mark.parametrize(
    ("scontrol", "count"), [(SAYS.format(2), None), ("exit 1", "2"), (None, "2")], ids=["asked", "told", "no program"]
)
def test_a_job_that_slurm_put_back_into_the_queue_replaces_itself(scontrol, count, other, in_job):
    in_job("4711", scontrol, count)
    owner = Owner(other.parent)
    owner.release()
    assert owner.took_over == "process 5 on node17, job 4711"
    assert not other.exists()


@pytest.mark.parametrize(
    ("job", "scontrol", "count"),
    [
        ("4711", SAYS.format(1), None),
        ("4711", SAYS.format(0), None),
        ("4711", SAYS.format(2), "1"),
        ("4711", None, None),
        ("4711", "exit 1", None),
        ("4711", "echo nothing", None),
        ("4711", "while :; do :; done", None),
        ("4712", SAYS.format(2), None),
    ],
    ids=[
        "another step of the job",
        "the job before it was put back",
        "the variable is believed",
        "no program",
        "not known",
        "says something else",
        "does not answer",
        "another job",
    ],
)
def test_a_job_that_was_not_put_back_is_refused(job, scontrol, count, other, in_job, monkeypatch):
    monkeypatch.setattr("pqgan.engine.owner.ANSWER", 0.5)
    in_job(job, scontrol, count)
    with pytest.raises(ResourceError, match="in use by process 5 on node17, job 4711"):
        Owner(other.parent)
    assert other.exists()


@thorough
@pytest.mark.parametrize("content", ["", '{"pid": ', "[]"])
def test_an_owner_file_that_was_half_written(content, abandoned, dead, reference):
    file, _ = dead
    file.write_text(content)
    abandoned.run().failed(5, "in use by a process that has not said its name")
    os.utime(file, (time.time() - HEARTBEAT - 10,) * 2)
    abandoned.run().succeeded()
    assert_same(abandoned.result, reference)


@thorough
@pytest.mark.parametrize("left", ["nothing", "a dead owner"])
def test_of_many_that_start_at_once_one_wins(left, training, reference):
    if left == "a dead owner":
        training.run(AtStep(6, kill))
    many = [training.start(AtStep(8, hold)) for _ in range(4)]
    winner = wait_for(lambda: next((one for one in many if one.struck()), None), "one trains")
    for loser in many:
        if loser is not winner:
            loser.end(struck=False).failed(5, "in use by")
    winner.release()
    winner.end().succeeded()
    assert_same(training.result, reference)
    assert not list(Path(training.run_folder).glob("owner-*"))
