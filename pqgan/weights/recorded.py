"""Files without a pinned sha256: the first that is seen on this machine is recorded, and no other is taken after it.

The records are small JSON files below $XDG_CACHE_HOME/pqgan/recorded, named as the files are below PQGAN_WEIGHTS_DIR.
Whoever means to take another file deletes the record, and knows then that numbers of before are of the one before.
"""

import time
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from pqgan.errors import DataError, ResourceError
from pqgan.storage.atomic import write_text
from pqgan.storage.json_files import read_model


class Seen(BaseModel):
    """A record."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    origin: str
    """Address; of a file that the hub gave, with the commit."""
    revision: str | None = None
    """That commit; None where the file was found in PQGAN_WEIGHTS_DIR."""
    sha256: str
    place: str
    """Where it was found or put."""
    date: str
    """Of that day, UTC."""

    def told(self) -> str:
        """For messages."""
        at = f" at commit {self.revision}" if self.revision else ""
        return f"{self.sha256}{at}, seen first on {self.date} as {self.place}"


def place_of(folder: Path, name: str) -> Path:
    """The record of a file.

    Args:
        folder: of the cache.
        name: of the file below PQGAN_WEIGHTS_DIR.
    """
    return folder / "recorded" / f"{name}.json"


def read(record: Path) -> Seen | None:
    """What was seen; None where nothing was.

    Raises:
        DataError: the record is damaged.
    """
    if not record.exists():
        return None
    return read_model(record, Seen, "which file was seen first; delete it to take what is there now")


def write(record: Path, origin: str, sha256: str, place: Path, revision: str | None = None) -> tuple[Seen, str]:
    """Record a file that is the first.

    Returns:
        the record, and where it is, for a message: a cache that cannot be written is no reason to stop
    """
    seen = Seen(
        origin=origin, revision=revision, sha256=sha256, place=str(place), date=time.strftime("%Y-%m-%d", time.gmtime())
    )
    try:
        write_text(record, seen.model_dump_json(indent=1) + "\n")
    except (ResourceError, OSError) as error:
        return seen, f"it cannot be recorded for the next time ({error})"
    return seen, f"it is recorded in {record}"


def refuse(what: str, found: str, seen: Seen, record: Path) -> DataError:
    """The error of another file than the one that was seen first.

    Args:
        what: it is: a path, or an address.
        found: its sha256, and more of it.
    """
    return DataError(
        f"{what}: sha256 is {found}; expected {seen.told()}: put that file into the folder that PQGAN_WEIGHTS_DIR "
        f"names; or delete {record} to take this one from now on, whose numbers are of another network"
    )
