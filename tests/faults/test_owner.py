"""One process on a run folder: the living are left alone, the dead are replaced."""

import json
import os
import signal
import socket
import subprocess
import time
from pathlib import Path

import psutil
import pytest
from fault_points import AtStep, hold, kill
from fault_runs import is_dead, wait_for
from fault_sameness import assert_same, snapshot

from pqgan.engine.owner import HEARTBEAT, PATIENCE

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


@thorough
def test_a_job_that_the_scheduler_put_back_into_the_queue_replaces_itself(abandoned, dead, reference):
    file, owner = dead
    file.write_text(json.dumps({**owner, "host": "node17", "place": "elsewhere", "job": "4711", "restart": "0"}))
    abandoned.run(environment={"SLURM_JOB_ID": "4711"}).failed(5, "in use by")
    abandoned.run(environment={"SLURM_JOB_ID": "4711", "SLURM_RESTART_COUNT": "1"}).succeeded()
    assert_same(abandoned.result, reference)


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
