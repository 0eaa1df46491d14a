"""How `pqgan evaluate` names what it writes."""

import os
import re
from hashlib import sha256
from pathlib import Path

from pqgan.data.names import shown

PICTURES = "pictures"
EVALUATION, REFERENCE = "evaluate", "reference"
"""Kinds of what it writes: the result, and features of the originals, which are those of that chapter."""


def name_of(what: str | Path) -> str:
    """A model, by its folder, file or hub id, or a folder of images, as part of a path."""
    path = Path(what)
    name = path.resolve().name if path.is_dir() else path.stem if path.is_file() else str(what)
    return re.sub(r"[^\w.+=-]+", "-", shown(name)).strip("-.") or "root"


def place_of(what: str | Path, images: Path) -> Path:
    """Folder of the result where none is asked for: another for every model, or generated folder, and every folder of
    images, whatever their names; the same for the same ones.
    """
    both = [os.path.realpath(path) if os.path.exists(path) else str(path) for path in (what, images)]
    # a name may have bytes that are no text, which is said later
    told_apart = sha256("\0".join(both).encode(errors="surrogateescape")).hexdigest()[:8]
    return Path("evaluations") / f"{name_of(what)}-on-{name_of(images)}-{told_apart}"
