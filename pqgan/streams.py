"""Standard streams of a command: closed from the start, or no longer read."""

import os
import select
import sys
from collections.abc import Callable
from functools import wraps

UNREAD = 128 + 13
"""What a shell shows of a program that SIGPIPE ends."""


def quiet_when_unread(main: Callable[..., int]) -> Callable[..., int]:
    """A command line that ends in silence once nobody reads what it prints, as `pqgan plan | head -1` has it."""

    @wraps(main)
    def wrapped(argv: list[str] | None = None) -> int:
        _open_closed()
        try:
            try:
                return main(argv)
            finally:
                sys.stdout.flush()
        except BrokenPipeError:
            if not is_unread():
                raise  # of another pipe
            return UNREAD
        finally:
            _drop_the_rest()

    return wrapped


def _open_closed() -> None:
    """Give closed streams a place, or the first file that is opened becomes what libraries print to."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest number that is free
    # Python has none where they were closed, and then prints errors with the rest
    sys.stdout = sys.stdout or open(os.devnull, "w")  # noqa: SIM115
    sys.stderr = sys.stderr or open(os.devnull, "w")  # noqa: SIM115


def is_unread() -> bool:
    """Whether standard output is a pipe that nobody reads."""
    try:
        poll = select.poll()
        poll.register(sys.stdout.fileno(), select.POLLOUT)
        return any(event & select.POLLERR for _, event in poll.poll(0))
    except (OSError, ValueError):  # no file, as in a notebook
        return False


def _drop_the_rest() -> None:
    """Where what was printed cannot be written, Python would try again at its end, and complain."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
