"""Requests to stop: SIGTERM and SIGUSR1 of a scheduler that is about to kill, SIGHUP of a lost terminal, and Ctrl-C."""

import signal
from types import FrameType

SIGNALS = (signal.SIGTERM, signal.SIGUSR1, signal.SIGHUP, signal.SIGINT)


def is_ignored(number: int) -> bool:
    """Whether whoever started this process has it ignore a signal."""
    return signal.getsignal(number) is signal.SIG_IGN


class StopRequests:
    """While entered, a signal only sets `signal`; the loop finishes its step, saves and stops.

    A second SIGTERM changes nothing, so that it cannot hurt the save; a second Ctrl-C interrupts at once.
    """

    def __init__(self) -> None:
        self.signal: str | None = None
        """Name of the first one that came."""
        self._interrupted = False

    def __enter__(self) -> "StopRequests":
        # nohup has a lost terminal mean nothing
        heard = [number for number in SIGNALS if number != signal.SIGHUP or not is_ignored(number)]
        self._before = {number: signal.signal(number, self._note) for number in heard}
        return self

    def __exit__(self, *_) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if number == signal.SIGINT:
            if self._interrupted:
                raise KeyboardInterrupt
            self._interrupted = True
        self.signal = self.signal or signal.Signals(number).name
