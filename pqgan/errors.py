"""Errors a user can act on; each carries the exit code of the command line."""

import errno
import os

NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""Of an OSError: the disk, the quota or the largest file allowed is full."""


REMEDIES = {
    **dict.fromkeys(NO_ROOM, "free space or raise the limit"),
    **dict.fromkeys((errno.EACCES, errno.EPERM, errno.EROFS), "choose a place where this user may write and read"),
    errno.ENAMETOOLONG: "choose a shorter name",
    errno.EMFILE: "raise the limit of open files (ulimit -n)",
    errno.ENOMEM: "give the job more memory",
}
"""Of an OSError: what to do."""


def told(error: OSError) -> str:
    """An error of the machine: where, what, and what to do."""
    if error.errno is None:
        return " ".join(str(error).split())
    where = f"{os.fsdecode(error.filename)}: " if isinstance(error.filename, str | bytes | os.PathLike) else ""
    remedy = REMEDIES.get(error.errno, "look at the place or device that it lies on")
    return f"{where}{error.strerror or os.strerror(error.errno)}; {remedy}"


def one_line(message: str) -> str:
    """A message without what would break the line, move the cursor or not encode at all."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in message)


class PqganError(Exception):
    """What went wrong, where, what was expected and what to do, in one line."""

    exit_code = 1


class SettingsError(PqganError):
    """A value in params.yaml or on the command line that cannot be used."""

    exit_code = 2


class DataError(PqganError):
    """Input or a stored artefact that is missing, damaged or not what it claims to be."""

    exit_code = 3


class NumericalError(PqganError):
    """A loss or gradient that is not finite."""

    exit_code = 4


class ResourceError(PqganError):
    """Memory, disk or a device that is not to be had."""

    exit_code = 5


class Stopped(PqganError):
    """A training that was asked to stop and saved itself first; not a failure, hence the code of EX_TEMPFAIL."""

    exit_code = 75
