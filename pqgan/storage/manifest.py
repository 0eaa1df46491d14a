"""sha256 of files, and the SHA256SUMS that list those of a folder."""

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from .atomic import new_folder, write_text

SUMS = "SHA256SUMS"


def sha256(path: Path | str) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_sums(folder: Path, known: Mapping[str, str] | None = None) -> None:
    """List every file below a folder in its SHA256SUMS, as `sha256sum -c` reads it.

    Args:
        known: file -> sha256 of those that need no second reading.
    """
    known = known or {}
    lines = [f"{known.get(name) or sha256(folder / name)}  {name}\n" for name in _files(folder)]
    write_text(folder / SUMS, "".join(lines))


@contextmanager
def new_result(path: Path | str) -> Iterator[Path]:
    """A folder to fill, as from `new_folder`; its SHA256SUMS appears with it."""
    with new_folder(path) as folder:
        yield folder
        write_sums(folder)


def damages(folder: Path) -> list[str]:
    """What is wrong with the files of a folder that has a SHA256SUMS, a line each; reads every byte."""
    try:
        listed = dict(reversed(line.split("  ", 1)) for line in (folder / SUMS).read_text().splitlines())
    except FileNotFoundError:
        return [f"{folder / SUMS}: missing"]
    except (OSError, ValueError):
        return [f"{folder / SUMS}: cannot be read; expected a line of sha256 and name for each file"]
    found = []
    for name, expected in listed.items():
        try:
            digest = sha256(folder / name)
        except FileNotFoundError:
            found.append(f"{folder / name}: missing")
        except OSError as error:
            found.append(f"{folder / name}: cannot be read: {error.strerror}")
        else:
            if digest != expected:
                found.append(f"{folder / name}: sha256 is {digest}; {SUMS} lists {expected}")
    unknown = [name for name in _files(folder) if name not in listed]
    return found + [f"{folder / name}: not listed in {SUMS}" for name in unknown]


def _files(folder: Path) -> list[str]:
    """Names of the files below a folder, in order; hidden ones are of those who keep the folder, not of its content."""
    paths = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return sorted(path.as_posix() for path in paths if path.as_posix() != SUMS and not path.name.startswith("."))
