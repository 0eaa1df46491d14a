"""What a killed process left beside the file or folder that it was making, and the names that tell whose it is.

`result` is made as `.result.pqgan-<process>-<random>`, in the same folder. `.dvcignore` and `.gitignore` know the name.
"""

import os
import re
import shutil
import time
from contextlib import suppress
from pathlib import Path

from pqgan.errors import SettingsError

from .process import Mark

SUMS = "SHA256SUMS"
"""The file that makes a folder a whole result; pqgan.storage.manifest reads and writes it."""
CONTENT, REPLACED = "content", "replaced"
"""In the folder that a new folder is made in: what becomes the folder, and what it took the place of."""
ABANDONED = 24 * 3600
"""Seconds without a change after which nobody is believed to be at it whose process cannot be looked for."""
LONGEST_NAME = 200
"""Bytes; file systems allow 255, of which the name beside it needs some."""

_NAME = re.compile(rf"\.(?P<target>.+)\.pqgan-{Mark.PATTERN}-[a-z0-9_]+", re.DOTALL)


def prefix(path: Path) -> str:
    """How the name begins under which this process makes a file or folder.

    Raises:
        SettingsError: the name is too long.
    """
    if (length := len(os.fsencode(path.name))) > LONGEST_NAME:
        raise SettingsError(f"{path}: a name of {length} bytes; allowed: up to {LONGEST_NAME}; choose a shorter one")
    return f".{path.name}.pqgan-{Mark.own()}-"


def sweep(folder: Path) -> None:
    """Remove what processes that died have left in a folder; what one had just put aside gets its name back."""
    with suppress(OSError):
        for entry in list(os.scandir(folder)):
            found = _NAME.fullmatch(entry.name)
            if found and _is_dead(Path(entry.path), Mark.of(found)):
                _remove(Path(entry.path), folder / found["target"])


def _is_dead(path: Path, mark: Mark) -> bool:
    lives = mark.lives
    return time.time() - _last_change(path) > ABANDONED if lives is None else not lives


def _last_change(path: Path) -> float:
    try:
        below = [Path(place, name) for place, folders, files in os.walk(path) for name in (*folders, *files)]
        return max(each.lstat().st_mtime for each in (path, *below))
    except OSError:
        return time.time()  # somebody is at it


def is_leftover(name: str) -> bool:
    """Whether a name is one under which something is made."""
    return _NAME.fullmatch(name) is not None


def _remove(path: Path, target: Path) -> None:
    # two processes may do the same at the same time
    with suppress(OSError):
        if path.is_dir() and not path.is_symlink():
            clear(path, target)
        else:
            path.unlink()


def clear(working: Path, target: Path) -> None:
    """Delete the folder that a new folder was made in; what it had put aside gets its name back where nothing has it.

    What was put aside is deleted only where a whole result has its name; it stays, and so does `working`, where
    something else has.

    Raises:
        OSError: something cannot be deleted, or have its name back; it stays where it is.
    """
    replaced = working / REPLACED
    if os.path.lexists(replaced) and not (target / SUMS).is_file():
        if os.path.lexists(target) and (target.is_symlink() or not target.is_dir() or any(target.iterdir())):
            return
        os.rename(replaced, target)  # over an empty folder too
    shutil.rmtree(working)
