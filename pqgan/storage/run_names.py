"""What lies in the run folder of a training, and whether a folder may become one."""

import json
import os
import stat
from fnmatch import fnmatch
from pathlib import Path

from pqgan.errors import SettingsError

from .leftovers import is_leftover

CHECKPOINTS, FAILED = "checkpoints", "FAILED.json"
LOG, SAID, TENSORBOARD = "train.jsonl", "progress.log", "tensorboard"
OWNERS = "owner-*.json"
LONGEST_LINE = 1 << 20
"""Bytes of a line of the log, many times what one has."""
FOLDERS = (CHECKPOINTS, TENSORBOARD)
FILES = (FAILED, LOG, SAID, OWNERS, ".clock-*")


def check_run(folder: Path) -> None:
    """See, before any work, whether a training may keep its state in a folder.

    Raises:
        SettingsError: something else lies there, which the training's own files might replace.
    """
    told = f"--run: {str(folder)!r}"
    if os.path.lexists(folder) and not folder.is_dir():
        raise SettingsError(f"{told} is a file; expected a folder; choose another name")
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        if not _is_of_a_training(path):
            raise SettingsError(f"{told} holds {path.name}, which is of no training; choose a folder of its own")


def _is_of_a_training(path: Path) -> bool:
    # a link may lead to something else, and opening a pipe would wait for ever
    mode = path.lstat().st_mode
    if stat.S_ISDIR(mode):
        return path.name in FOLDERS or is_leftover(path.name)
    if not stat.S_ISREG(mode) or not any(fnmatch(path.name, name) for name in (*FILES, ".*.pqgan-*")):
        return False
    return path.name != LOG or _is_log(path)


def _is_log(path: Path) -> bool:
    """Whether a file is empty or begins with a line of a training's log."""
    try:
        with open(path, "rb") as file:
            first = file.readline(LONGEST_LINE)
        return not first or "step" in json.loads(first)
    except (OSError, ValueError, TypeError, RecursionError):
        return False
