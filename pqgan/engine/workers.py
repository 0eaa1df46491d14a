"""Worker processes of a job: its signals do not reach them, they never outlive it, and their failures are named."""

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Generator, Iterator
from multiprocessing import connection, util
from multiprocessing.process import BaseProcess
from typing import TYPE_CHECKING, Any

from pqgan.errors import ResourceError

from .stop import SIGNALS

if TYPE_CHECKING:
    from torch.utils.data import DataLoader

PULSE = 2
"""Seconds between looks at the workers while a batch is awaited: the timeout of a loader that `iterate` is given."""
GRACE = 5
"""Seconds to wait for a killed process; one that the kernel cannot end must not hold up the job's own end."""

_END = object()
_MEMORY = "give the job more memory (hardware.mem_mb), or lower it"
_SHARED_MEMORY = "give the job more shared memory (/dev/shm; --shm-size of a container), or lower it"
_STUCK = "look at the file system that the prepared set lies on"
_SHARED_MEMORY_SIGNS = ("shared memory", "No space left on device", "Cannot allocate memory")


def shield(_worker: int = 0) -> None:
    """First call of a worker process: leave the job's signals to its main process, and end when that ends.

    A scheduler, `timeout` and Ctrl-C signal every process of a job, and a trainer that is to finish its step and save
    needs its workers for that. PyTorch's workers look for their parent between batches only, those of a process pool
    never.
    """
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    multiprocessing.parent_process().join()
    os._exit(1)


def iterate(loader: "DataLoader", timeout: float) -> Generator[Any, None, None]:
    """Iterate a loader. When the generator ends, its worker processes have ended too.

    Args:
        loader: with `shield` as its worker_init_fn; with PULSE as its timeout where it has workers.
        timeout: seconds without a batch after which the workers count as stuck.

    Raises:
        ResourceError: workers cannot be started, are stuck or died; raised here alone, never in the midst of a step.
    """
    if not loader.num_workers:
        yield from loader
        return
    iterator, workers = _start(loader)
    try:
        while (batch := _next(iterator, timeout)) is not _END:
            yield batch
    except (ConnectionError, EOFError, RuntimeError) as error:
        # the first two are of a worker that died while a batch of its was fetched
        if failure := _death(workers, wait=not isinstance(error, RuntimeError)) or loader_failure(error):
            raise failure from None
        raise
    finally:
        _stop(iterator, workers)


def _start(loader: "DataLoader") -> tuple[Iterator, set[BaseProcess]]:
    others = set(multiprocessing.active_children())
    util.get_temp_dir()  # which workers then share; each would make its own, and leave it behind where it is killed
    on_main_thread = threading.current_thread() is threading.main_thread()
    child_handler = signal.getsignal(signal.SIGCHLD)
    # a worker is born with this mask, so that no signal can come before `shield`
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    try:
        iterator = iter(loader)
    except OSError as error:
        _kill(set(multiprocessing.active_children()) - others)
        raise ResourceError(f"hardware.workers: cannot be started: {error.strerror}; lower it") from None
    finally:
        if on_main_thread:
            # PyTorch's own, which it sets once, would raise wherever a worker's death finds this process: in the
            # midst of a step or of a save, or where an error is lost, as in __del__; `_next` looks for deaths instead
            signal.signal(signal.SIGCHLD, child_handler or signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    return iterator, set(multiprocessing.active_children()) - others


def _next(iterator: Iterator, timeout: float) -> Any:
    """The next batch, _END after the last; a wait of a PULSE ends with PyTorch's look at its workers."""
    deadline = time.monotonic() + timeout
    while True:
        try:
            return next(iterator, _END)
        except RuntimeError as error:
            if not str(error).startswith("DataLoader timed out"):
                raise
            if time.monotonic() >= deadline:
                raise ResourceError(f"hardware.workers: no batch in {timeout} s, a worker is stuck; {_STUCK}") from None


def _stop(iterator: Iterator, workers: set[BaseProcess]) -> None:
    try:
        # PyTorch's orderly end: its thread that pins memory before the processes which that reads from; left to garbage
        # collection it would come late, as the frames of an error hold the iterator
        iterator._shutdown_workers()
    finally:
        _kill(workers)


def _kill(workers: set[BaseProcess]) -> None:
    for worker in workers:
        worker.kill()
    for worker in workers:
        worker.join(GRACE)


def _kill_children() -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    _kill({child for child in multiprocessing.active_children() if child.daemon})


# of generators that are never closed: multiprocessing's own end would send the SIGTERM that workers ignore, and wait
util.Finalize(None, _kill_children, exitpriority=0)


def _death(workers: set[BaseProcess], *, wait: bool) -> ResourceError | None:
    ended = connection.wait([worker.sentinel for worker in workers], timeout=GRACE if wait else 0)
    for worker in workers:
        if worker.sentinel in ended:
            worker.join(GRACE)
        if worker.exitcode:
            code = worker.exitcode
            how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with code {code}"
            advice = _SHARED_MEMORY if code == -signal.SIGBUS else _MEMORY
            return ResourceError(f"hardware.workers: worker {worker.pid} {how}; {advice}")
    return None


def loader_failure(error: BaseException) -> ResourceError | None:
    """What an error of PyTorch's says about loader processes; None where it is about something else."""
    message = str(error)
    reason, *_, last = [line.strip(" .") for line in (message.strip() or " ").splitlines()] * 2
    if reason.startswith(("DataLoader worker", "Pin memory thread")):
        return ResourceError(f"hardware.workers: {reason}; {_SHARED_MEMORY if 'shared memory' in reason else _MEMORY}")
    if reason.startswith("DataLoader timed out"):
        return ResourceError(f"hardware.workers: {reason}; {_STUCK}")
    if reason.startswith("Too many open files"):
        return ResourceError(f"hardware.workers: {reason}; raise the limit of open files (ulimit -n), or lower it")
    if reason.startswith("Caught RuntimeError in DataLoader worker") and any(s in last for s in _SHARED_MEMORY_SIGNS):
        return ResourceError(f"hardware.workers: {last.removeprefix('RuntimeError: ')}; {_SHARED_MEMORY}")
    return None
