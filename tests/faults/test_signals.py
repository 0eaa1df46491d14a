"""Asked to stop: the step ends, everything is saved, exit code 75; the same command goes on."""

import fcntl
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from fault_points import AtStep, Signal, WritingState, hold, terminate
from fault_runs import TIMEOUT, wait_for
from fault_sameness import assert_same, read_log

thorough = pytest.mark.thorough
STOPPED = "stopped and saved in"


@pytest.mark.parametrize(
    "number",
    [signal.SIGTERM, pytest.param(signal.SIGUSR1, marks=thorough), pytest.param(signal.SIGINT, marks=thorough)],
)
def test_a_signal_in_the_middle_of_a_step(number, training, reference):
    ended = training.run(AtStep(6, Signal((number,)), updates=1))
    ended.failed(75, f"{number.name} at step 7/12: {STOPPED}", "the same command")
    assert training.checkpoints() == ["step-00000006", "step-00000007"]
    assert not training.result.exists()
    training.run().succeeded()
    assert_same(training.result, reference)


def test_a_second_signal_during_the_save_does_not_hurt_it(training, reference):
    ended = training.run(AtStep(6, terminate), WritingState(7, terminate))
    ended.failed(75, f"SIGTERM at step 7/12: {STOPPED}")
    training.run().succeeded()
    assert_same(training.result, reference)


@thorough
def test_a_signal_in_the_last_step_still_stops_it(training, reference):
    training.run(AtStep(11, terminate)).failed(75, f"SIGTERM at step 12/12: {STOPPED}")
    again = training.run()
    again.succeeded()
    assert_same(training.result, reference)


@thorough
def test_a_second_interrupt_from_the_keyboard_ends_it_at_once(training, reference):
    ended = training.run(AtStep(6, Signal((signal.SIGINT, signal.SIGINT))))
    ended.failed(130, "interrupted")
    assert training.checkpoints() == ["step-00000003", "step-00000006"]
    training.run().succeeded()
    assert_same(training.result, reference)


@thorough
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_to_every_process_of_the_job(number, training, reference):
    training.set("hardware", workers=2)
    running = training.start(AtStep(6, hold))
    running.until_struck()
    workers = running.children()
    assert len(workers) == 2
    running.signal(number, group=True)
    running.release()
    running.end().failed(75, f"{number.name} at step 7/12: {STOPPED}")
    training.run().succeeded()
    assert_same(training.result, reference)


@thorough
def test_the_log_counts_the_seconds_of_every_attempt(training):
    running = training.start(AtStep(6, hold))
    running.until_struck()
    time.sleep(2)
    running.signal(signal.SIGTERM)
    running.release()
    running.end().failed(75)
    training.run().succeeded()
    seconds = {line["step"]: line["seconds"] for line in read_log(training.result)}
    assert list(seconds) == [4, 8, 12]
    assert seconds[8] > 2


@thorough
@pytest.mark.parametrize("seed", range(2))
def test_stopped_again_and_again_at_any_moment(seed, training, reference):
    moments, codes = random.Random(seed), []
    for _ in range(4):
        running = training.start()
        running.until(lambda: any(training.run_folder.glob("owner-*.json")), "it owns its folder")
        time.sleep(moments.uniform(0, 0.8))
        running.process.terminate()
        codes.append(running.end().code)
    # one that has not begun a step, or has done all, has nothing to save
    assert set(codes) <= {75, 128 + signal.SIGTERM, 0}
    training.run().succeeded()
    assert_same(training.result, reference)


class FullPipe:
    """A pipe into which nothing fits, so that a process that writes to it waits."""

    def __init__(self):
        self.reader, self.writer = os.pipe()
        size = fcntl.fcntl(self.writer, fcntl.F_SETPIPE_SZ, 4096)
        os.write(self.writer, b"\n" * size)

    def drain(self) -> str:
        """All that comes, until the last writer closes it."""
        os.close(self.writer)
        with open(self.reader) as reader:
            return reader.read().lstrip()


def test_the_console_command(training, reference):
    command = [Path(sys.executable).with_name("pqgan"), *training.arguments()]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    pipe = FullPipe()  # it cannot say that step 4 is done, and waits there
    first = subprocess.Popen(
        command, cwd=training.folder, env=environment, stdout=pipe.writer, stderr=subprocess.PIPE, text=True
    )
    try:
        log = training.run_folder / "train.jsonl"
        wait_for(lambda: first.poll() is not None or (log.exists() and training.log()), "the log has a line")
        first.send_signal(signal.SIGTERM)
        out = pipe.drain()
        _, err = first.communicate(timeout=TIMEOUT)
    finally:
        first.kill()
    assert first.returncode == 75, err
    (line,) = err.splitlines()
    assert line.startswith(f"pqgan train-tokenizer: SIGTERM at step 4/12: {STOPPED}")
    assert "step 4/12" in out
    again = subprocess.run(command, cwd=training.folder, env=environment, capture_output=True, text=True, check=False)
    assert again.returncode == 0, again.stderr
    assert "goes on from step 4/12" in again.stdout
    assert_same(training.result, reference)
