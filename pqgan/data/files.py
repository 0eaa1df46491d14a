"""The image files of a folder."""

import os
from collections.abc import Iterator
from pathlib import Path

from pqgan.errors import DataError

from .names import first_of, shown
from .pixels import SUFFIXES


def image_files(root: Path) -> tuple[list[str], int]:
    """Images below a folder and its linked folders, in order of path, and how many other files there are.

    Hidden files and other suffixes are no images.

    Raises:
        DataError: a folder that cannot be read or holds itself, or a name that no index can hold.
    """
    found, others = [], 0
    for folder, names in _walk(root):
        images = [name for name in names if Path(name).suffix.lower() in SUFFIXES and not name.startswith(".")]
        others += len(names) - len(images)
        found += [Path(folder, name).relative_to(root).as_posix() for name in images]
    if not found:
        raise DataError(f"{root}: holds no images; expected files ending in {', '.join(sorted(SUFFIXES))}")
    if odd := [shown(name) for name in found if not _is_text(name)]:
        raise DataError(f"{root}: {len(odd)} images have names that are not UTF-8; rename them: {first_of(odd)}")
    return sorted(found), others


def _is_text(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _walk(root: Path) -> Iterator[tuple[str, list[str]]]:
    def unreadable(error: OSError) -> None:
        # left out without a word, it would make a part of a set look whole
        raise DataError(f"{error.filename}: {error.strerror}; every folder of a set must be readable")

    for folder, folders, names in os.walk(root, onerror=unreadable, followlinks=True):
        for name in folders:
            path = os.path.join(folder, name)
            if os.path.islink(path) and Path(os.path.realpath(folder)).is_relative_to(os.path.realpath(path)):
                raise DataError(f"{path}: links to a folder that it lies in; remove it")
        yield folder, names
