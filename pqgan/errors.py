"""Errors a user can act on; each carries the exit code of the command line."""

import errno

NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""Of an OSError: the disk, the quota or the largest file allowed is full."""


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
