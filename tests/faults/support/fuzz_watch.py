"""A limit of time for a block of code, which a loop or a wait of the operating system ends in an exception."""

import faulthandler
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager

MERCY = 10
"""Seconds for code that answers to no signal; then the process says where it is and ends."""


class HangError(BaseException):
    """The limit is over; no `except Exception` catches it."""


@contextmanager
def limit(seconds: float) -> Iterator[None]:
    """Raise HangError where the block takes longer; in the main thread alone."""

    def ring(*_) -> None:
        raise HangError(f"longer than {seconds:g} s")

    before, started = signal.signal(signal.SIGALRM, ring), time.monotonic()
    faulthandler.dump_traceback_later(seconds + MERCY, exit=True)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        faulthandler.cancel_dump_traceback_later()
        signal.signal(signal.SIGALRM, before)
    # a call that holds the interpreter is only over when it returns
    if time.monotonic() - started > seconds:
        raise HangError(f"longer than {seconds:g} s")
