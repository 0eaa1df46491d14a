"""The image files of a folder."""

import os
from collections.abc import Iterator
from pathlib import Path

from pqgan.errors import DataError

from .names import first_of, shown
from .pixels import SUFFIXES


def image_files(root: Path) -> tuple[list[str], int]:
    """Images below a folder and its linked folders, in order of path, and how many other files there are.

    Hidden files, all that lies in hidden folders, and other suffixes are no images. A folder that several paths lead to
    is entered once: where it lies below root, else by the first of its links. So each of its files is there once.

    Raises:
        DataError: a folder that cannot be read, a link to a folder that root lies in, or a name that no index can hold.
    """
    found, others = [], 0
    for folder, names, hidden in _walk(root):
        images = [name for name in names if Path(name).suffix.lower() in SUFFIXES and not _is_hidden(name)]
        others += len(names) - len(images) + hidden
        found += [Path(folder, name).relative_to(root).as_posix() for name in images]
    if not found:
        raise DataError(f"{root}: holds no images; expected files ending in {', '.join(sorted(SUFFIXES))}")
    if odd := [shown(name) for name in found if not _is_text(name)]:
        raise DataError(f"{root}: {len(odd)} images have names that are not UTF-8; rename them: {first_of(odd)}")
    return sorted(found), others


def _is_hidden(name: str) -> bool:
    return name.startswith(".")


def _is_text(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _walk(root: Path) -> Iterator[tuple[str, list[str], int]]:
    """Every folder once, the names of its files, and how many files lie in its hidden folders.

    First what lies below root, then what is linked from there, then what is linked from that.
    """

    def unreadable(error: OSError) -> None:
        # left out without a word, it would make a part of a set look whole
        raise DataError(f"{error.filename}: {error.strerror}; every folder of a set must be readable")

    entered: set[str] = set()
    waiting = [str(root)]
    while waiting:
        links: list[str] = []
        for start in waiting:
            for folder, folders, names in os.walk(start, onerror=unreadable):
                if (real := os.path.realpath(folder)) in entered:
                    folders.clear()
                    continue
                entered.add(real)
                hidden = [name for name in folders if _is_hidden(name)]
                visible = [name for name in folders if not _is_hidden(name)]
                linked = {name for name in visible if os.path.islink(os.path.join(folder, name))}
                folders[:] = [name for name in visible if name not in linked]
                links += [os.path.join(folder, name) for name in linked]
                yield folder, names, sum(_count(os.path.join(folder, name)) for name in hidden)
        waiting = sorted(links)
        for link in waiting:
            _check_inside(link, root)


def _count(folder: str) -> int:
    """Files in a folder that nobody enters, as far as it can be read."""
    return 0 if os.path.islink(folder) else sum(len(names) for _, _, names in os.walk(folder))


def _check_inside(link: str, root: Path) -> None:
    place, target = Path(os.path.realpath(root)), os.path.realpath(link)
    if place != Path(target) and place.is_relative_to(target):
        raise DataError(f"{link}: links to {target}, a folder that {root} lies in; remove it")
