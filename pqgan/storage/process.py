"""Which process something belongs to, and whether that process still lives."""

import hashlib
import os
import re
import socket
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import psutil


@cache
def place() -> str:
    """Where process numbers mean the same: this boot of this machine, this process namespace."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot} {os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return socket.gethostname()


def started(process: "psutil.Process") -> float:
    """Seconds from the boot to its start; by the wall clock it would move when that is set."""
    import psutil  # which takes longer than many commands that write nothing

    return process.create_time() - psutil.boot_time()


def lives(pid: int, since: float) -> bool:
    """Whether the process of this place that had a number at a time still runs.

    Args:
        since: seconds from the boot to its start, because a number is given again.
    """
    import psutil

    try:
        process = psutil.Process(pid)
        # a zombie waits only for its parent to look
        return abs(started(process) - since) < 1 and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return _is_hidden(pid)


def _is_hidden(pid: int) -> bool:
    """Whether there is a process of another user that this one is not shown."""
    try:
        os.kill(pid, 0)
    except PermissionError:
        return True
    except (OSError, OverflowError):
        pass
    return False


class Mark(NamedTuple):
    """A process, as part of a file name."""

    place: str
    pid: int
    since: float

    PATTERN = r"(?P<place>[0-9a-f]{8})-(?P<pid>\d+)-(?P<since>\d+)"

    @classmethod
    def own(cls) -> "Mark":
        import psutil

        return cls(_short(place()), os.getpid(), started(psutil.Process()))

    @classmethod
    def of(cls, found: re.Match[str]) -> "Mark":
        """Of a match of PATTERN."""
        return cls(found["place"], int(found["pid"]), int(found["since"]) / 100)

    def __str__(self) -> str:
        return f"{self.place}-{self.pid}-{round(100 * self.since)}"

    @property
    def lives(self) -> bool | None:
        """None where this place cannot tell: the process was of another machine, container or boot."""
        return lives(self.pid, self.since) if self.place == _short(place()) else None


def _short(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:8]
