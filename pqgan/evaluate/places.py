"""Where `pqgan evaluate` writes: never over anything but its own earlier result, never among what it reads."""

import os
import re
from pathlib import Path

from pqgan.data.names import shown
from pqgan.errors import DataError, SettingsError
from pqgan.records import read_record

METRICS, PICTURES = "metrics.json", "pictures"


def name_of(what: str | Path) -> str:
    """A model, by its folder, file or hub id, or a folder of images, as part of a path."""
    path = Path(what)
    name = path.resolve().name if path.is_dir() else path.stem if path.is_file() else str(what)
    return re.sub(r"[^\w.+=-]+", "-", shown(name)).strip("-.") or "root"


def check_out(out: Path, option: str, **used: Path | None) -> None:
    """Whether a folder may be made, in place of an earlier result.

    Args:
        out: the folder.
        option: that names it.
        used: by option, what is read or written besides.

    Raises:
        SettingsError: there is something there that is no earlier result; or it would lie among the images, or hold
            what is used; or it cannot be made.
    """
    place = Path(os.path.realpath(out))
    for other, path in used.items():
        _check_apart(place, f"--{option}: {out}", Path(os.path.realpath(path)) if path else None, other)
    if place.is_dir() and any(place.iterdir()) and not (option == "out" and _is_evaluation(place)):
        raise SettingsError(f"--{option}: {out} is there and no result of pqgan evaluate; choose another, or remove it")
    parent = place.parent
    while not os.path.lexists(parent):
        parent = parent.parent
    if not parent.is_dir() or (os.path.lexists(place) and not place.is_dir()):
        raise SettingsError(f"--{option}: {parent if not parent.is_dir() else out} is a file; expected a folder")
    if not os.access(parent, os.W_OK | os.X_OK):
        raise SettingsError(f"--{option}: {out} cannot be made: {parent} is not writable; choose another")


def _check_apart(place: Path, told: str, other: Path | None, option: str) -> None:
    if other is None:
        return
    if other.is_relative_to(place):
        raise SettingsError(f"{told} {'is' if other == place else 'holds'} what --{option} names; choose another")
    # beside the weights of a model it harms nothing
    if place.is_relative_to(other) and option != "model":
        raise SettingsError(f"{told} lies in what --{option} names; choose another")


def _is_evaluation(folder: Path) -> bool:
    if {path.name for path in folder.iterdir()} - {METRICS, PICTURES}:
        return False
    try:
        return read_record(folder).scale is None
    except (DataError, OSError, UnicodeDecodeError):
        return False
