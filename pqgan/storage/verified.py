"""sha256 of files that are hashed once, not at every start: remembered for as long as they are not written to."""

import json
from contextlib import suppress
from pathlib import Path

from pqgan.errors import DataError, ResourceError

from .atomic import write_text
from .json_files import read_object
from .manifest import sha256

_known: dict[str, list] = {}
"""Path -> state and sha256, of this process."""


def verified_sha256(path: Path, memory: Path | None = None) -> str:
    """sha256 of a file.

    Args:
        memory: JSON file that keeps results between processes; does without where it is None or cannot be read or
            written.

    Raises:
        OSError: the file cannot be read.
    """
    key = str(path.resolve())
    status = path.stat()
    state = [status.st_size, status.st_mtime_ns, status.st_ctime_ns]  # ctime: a copied time stamp does not change it
    for entry in (_known.get(key), _read(memory).get(key) if memory else None):
        if isinstance(entry, list) and entry[:-1] == state:
            _known[key] = entry
            return entry[-1]
    _known[key] = [*state, sha256(path)]
    if memory is None:
        return _known[key][-1]
    with suppress(ResourceError, OSError):
        # two processes at once may lose one of their entries, which is then hashed again
        kept = {name: entry for name, entry in _read(memory).items() if Path(name).exists()}
        write_text(memory, json.dumps({**kept, key: _known[key]}, indent=1) + "\n")
    return _known[key][-1]


def _read(memory: Path) -> dict:
    try:
        return read_object(memory, "what was hashed before")
    except DataError:
        return {}
