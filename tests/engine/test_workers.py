import multiprocessing
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress

import pytest
import torch
from torch.utils.data import DataLoader, Dataset

from pqgan.engine.stop import SIGNALS
from pqgan.engine.workers import PULSE, iterate, loader_failure, shield

LOOP = """
import multiprocessing, sys, time
import torch
from torch.utils.data import DataLoader
from pqgan.engine.stop import StopRequests
from pqgan.engine.workers import PULSE, iterate, shield

class Numbers(torch.utils.data.Dataset):
    def __len__(self):
        return 40
    def __getitem__(self, index):
        time.sleep(float(sys.argv[1]) if index > 1 else 0)
        return index

loader = DataLoader(Numbers(), batch_size=2, num_workers=2, worker_init_fn=shield, timeout=PULSE)
batches = iterate(loader, 60)
with StopRequests() as stop:
    seen = next(batches).tolist()
    print(*(child.pid for child in multiprocessing.active_children()), flush=True)
    sys.stdin.readline()
"""


class Numbers(Dataset):
    def __len__(self):
        return 40

    def __getitem__(self, index):
        return index


class Handlers(Numbers):
    """What a worker does with the job's signals."""

    def __getitem__(self, index):
        return [str(signal.getsignal(number)) for number in SIGNALS]


def loader(data, workers=2, **keys):
    return DataLoader(data, batch_size=2, num_workers=workers, worker_init_fn=shield, timeout=PULSE, **keys)


@pytest.fixture
def process():
    """Start LOOP and what follows it in a process group of its own; it and the ids of its two workers."""
    started = []

    def start(more, pause=0.01):
        one = subprocess.Popen(
            [sys.executable, "-c", LOOP + more, str(pause)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        started.append(one)
        return one, [int(pid) for pid in one.stdout.readline().split()]

    yield start
    for one in started:
        with suppress(ProcessLookupError):
            os.killpg(one.pid, signal.SIGKILL)
        one.communicate()


def running(pid):
    return os.path.exists(f"/proc/{pid}/exe")  # which a process that only waits to be reaped has not


def assert_gone(pids, within):
    deadline = time.monotonic() + within
    while any(map(running, pids)):
        assert time.monotonic() < deadline, "workers are left"
        time.sleep(0.05)


def test_workers_ignore_the_signals_of_the_job():
    before = [signal.getsignal(number) for number in (*SIGNALS, signal.SIGCHLD)]
    for handlers in iterate(loader(Handlers(), collate_fn=list), 60):
        assert handlers == [[str(signal.SIG_IGN)] * len(SIGNALS)] * 2
    assert [signal.getsignal(number) for number in (*SIGNALS, signal.SIGCHLD)] == before
    assert not signal.pthread_sigmask(signal.SIG_BLOCK, []) & set(SIGNALS)


def test_signals_to_the_group_disturb_no_batch(process):
    rest = "    for batch in batches: seen += batch.tolist()\nprint(seen == list(range(40)), stop.signal)"
    one, workers = process(rest)
    assert len(workers) == 2
    for number in (signal.SIGTERM, signal.SIGUSR1, signal.SIGINT):
        os.killpg(one.pid, number)
    time.sleep(0.3)
    assert all(map(running, workers)), "they must not even be waiting to be reaped"
    output, errors = one.communicate("\n", timeout=30)
    assert (output.split()[0], errors, one.returncode) == ("True", "", 0)
    assert output.split()[1] in {number.name for number in SIGNALS}
    assert_gone(workers, 1)


@pytest.mark.parametrize("pause", [0, 3600], ids=["idle", "busy"])
def test_workers_end_with_a_killed_process(process, pause):
    one, workers = process("", pause)
    assert len(workers) == 2
    assert all(map(running, workers))
    one.kill()
    one.wait()
    assert_gone(workers, 5)


def test_a_process_that_forgets_its_batches_ends_at_once(process):
    one, workers = process("", pause=3600)
    began = time.monotonic()
    _, errors = one.communicate("\n", timeout=30)
    assert (errors, one.returncode) == ("", 0)
    assert time.monotonic() - began < 5
    assert_gone(workers, 1)


def test_without_workers_there_is_nothing_to_watch():
    batches = iterate(DataLoader(Numbers(), batch_size=2), 60)
    assert next(batches).tolist() == [0, 1]
    assert not multiprocessing.active_children()


class Broken(Numbers):
    def __getitem__(self, index):
        raise RuntimeError("DataLoader-like words, but of a bug")


@pytest.mark.parametrize("workers", [0, 1])
def test_other_errors_stay_what_they_are(workers):
    data = DataLoader(Broken(), num_workers=workers, worker_init_fn=shield, timeout=PULSE if workers else 0)
    with pytest.raises(RuntimeError, match="but of a bug"):
        list(iterate(data, 60))
    assert not multiprocessing.active_children()


CAUGHT = "Caught RuntimeError in DataLoader worker process 0.\nOriginal Traceback (most recent call last):\n  File\n"


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (
            "DataLoader worker (pid 7) is killed by signal: Killed. ",
            "(pid 7) is killed by signal: Killed; give the job more memory",
        ),
        (
            "DataLoader worker (pid 7) is killed by signal: Bus error. It is possible that dataloader's workers are "
            "out of shared memory. Please try to raise your shared memory limit.",
            "limit; give the job more shared memory (/dev/shm",
        ),
        ("DataLoader worker (pid(s) 7, 8) exited unexpectedly", "unexpectedly; give the job more memory"),
        ("DataLoader timed out after 5 seconds", "seconds; look at the file system"),
        ("Pin memory thread exited unexpectedly", "unexpectedly; give the job more memory"),
        (
            "Too many open files. Communication with the workers is no longer possible. ",
            "raise the limit of open files",
        ),
        (
            CAUGHT + "RuntimeError: unable to write to file </torch_1_2_3>: No space left on device (28)\n",
            "hardware.workers: unable to write to file </torch_1_2_3>: No space left on device (28); give the job more "
            "shared memory",
        ),
    ],
)
def test_what_pytorch_says_of_its_workers(message, expected):
    failure = loader_failure(RuntimeError(message))
    assert str(failure).startswith("hardware.workers: ")
    assert expected in str(failure)
    assert "\n" not in str(failure)


@pytest.mark.parametrize(
    "message", ["", "\n", "mat1 and mat2 shapes", CAUGHT + "RuntimeError: stack expects each tensor to be equal size"]
)
def test_what_is_not_about_workers(message):
    assert loader_failure(RuntimeError(message)) is None


def test_the_quoted_message_is_that_of_the_installed_pytorch():
    before = signal.getsignal(signal.SIGCHLD)
    batches = iter(loader(Numbers(), workers=1))
    (worker,) = multiprocessing.active_children()

    def die():
        worker.kill()
        os.waitid(os.P_PID, worker.pid, os.WEXITED | os.WNOWAIT)
        torch.utils.data._utils.signal_handling._error_if_any_worker_fails()

    try:
        with pytest.raises(RuntimeError) as error:
            die()
        assert f"worker (pid {worker.pid}) is killed by signal: Killed" in str(loader_failure(error.value))
    finally:
        signal.signal(signal.SIGCHLD, before)
        batches._shutdown_workers()
