"""sha256 of files, and the SHA256SUMS that list those of a folder and say what kind of result it is."""

import errno
import hashlib
import os
import re
import stat
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, NamedTuple

from pydantic import Field

from pqgan.errors import DataError

from .atomic import write_text
from .json_files import in_line, read_text
from .leftovers import SUMS

Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
"""In a file of ours."""
WORDS = "a line of sha256 and name for each file of the folder"
KIND = "# pqgan "
"""How the first line begins, which `sha256sum -c` takes for a comment."""
KEEPERS = (".snakemake_timestamp",)
"""Hidden files that a workflow puts into a result that it keeps."""


class Sums(NamedTuple):
    """What a SHA256SUMS says."""

    kind: str | None
    """What the result is, by the word that `new_result` was given; None where it does not say."""
    files: dict[str, str]
    """Name, with slashes -> sha256."""


def sha256(path: Path | str) -> str:
    """Of a file.

    Raises:
        OSError: it cannot be read to an end.
    """
    with open(path, "rb", opener=_without_waiting) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _without_waiting(path: str, flags: int) -> int:
    handle = os.open(path, flags | os.O_NONBLOCK)  # a pipe would wait for a writer
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise OSError(errno.EINVAL, "no regular file", path)
    return handle


def write_sums(folder: Path, kind: str, known: Mapping[str, str] | None = None) -> None:
    """List every file below a folder in its SHA256SUMS, as `sha256sum -c` reads it.

    Args:
        kind: of the result.
        known: file -> sha256 of those that need no second reading.
    """
    known = known or {}
    lines = [f"{known.get(name) or sha256(folder / name)}  {name}\n" for name in _files(folder)]
    write_text(folder / SUMS, "".join([f"{KIND}{kind}\n", *lines]))


def read_sums(folder: Path) -> Sums:
    """What the SHA256SUMS of a folder says.

    Raises:
        DataError: missing, damaged, or of files outside the folder.
    """
    path = folder / SUMS
    first, *rest = text = read_text(path, WORDS).split("\n")
    kind = first.removeprefix(KIND) if first.startswith(KIND) else None
    lines = [re.fullmatch(r"([0-9a-f]{64})  (.+)", line) for line in (text if kind is None else rest)[:-1]]
    if text[-1] or None in lines:
        raise DataError(f"{path}: has a line of another form, or is cut short; expected {WORDS}")
    files = {line[2]: line[1] for line in lines}
    if len(files) < len(lines):
        raise DataError(f"{path}: lists a file twice; expected {WORDS}")
    if outside := [name for name in files if Path(name).is_absolute() or ".." in Path(name).parts]:
        raise DataError(f"{path}: lists {in_line(outside[0])}, outside its folder; expected {WORDS}")
    return Sums(kind, files)


def check_listed(path: Path) -> None:
    """Whether a file is as the SHA256SUMS of its folder lists it; nothing where the folder has none.

    For the small files of a result, which are read whole anyway.

    Raises:
        DataError: it is not, or the list is damaged.
    """
    if os.path.lexists(path.parent / SUMS):
        expected = read_sums(path.parent).files.get(path.name)
        try:
            found = sha256(path)
        except FileNotFoundError:
            raise DataError(f"{path}: missing; delete its folder and make it again") from None
        except OSError as error:
            raise DataError(f"{path}: cannot be read: {error.strerror}; delete its folder and make it again") from None
        if found != expected:
            said = f"lists {expected}" if expected else "does not list it"
            raise DataError(f"{path}: sha256 is {found}; {SUMS} {said}; delete its folder and make it again")


def damages(folder: Path, part: str = "") -> list[str]:
    """What is wrong with the files of a folder that has a SHA256SUMS, a line each; reads every byte.

    Args:
        part: folder below it, to which it is limited.
    """
    try:
        listed = {name: digest for name, digest in read_sums(folder).files.items() if _within(name, part)}
    except DataError as error:
        return [str(error)]
    unknown = [name for name in _files(folder) if name not in listed and _within(name, part)]
    return changes(folder, listed) + [f"{in_line(folder / name)}: not listed in {SUMS}" for name in unknown]


def changes(folder: Path, listed: Mapping[str, str], hashed: Callable[[Path], str] = sha256) -> list[str]:
    """What is wrong with listed files, a line each.

    Args:
        listed: name -> sha256.
        hashed: how a file's sha256 is found.
    """
    found = []
    for name, expected in listed.items():
        where = in_line(folder / name)
        try:
            digest = hashed(folder / name)
        except FileNotFoundError:
            found.append(f"{where}: missing")
        except (OSError, ValueError) as error:
            found.append(f"{where}: cannot be read: {getattr(error, 'strerror', error)}")
        else:
            if digest != expected:
                found.append(f"{where}: sha256 is {digest}; {SUMS} lists {expected}")
    return found


def _within(name: str, part: str) -> bool:
    return not part or name.startswith(f"{part}/")


def _files(folder: Path) -> list[str]:
    """Names of the files below a folder, in order; hidden ones are of those who keep the folder, not of its content."""
    paths = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return sorted(path.as_posix() for path in paths if path.as_posix() != SUMS and not path.name.startswith("."))


def foreign(folder: Path, sums: Sums) -> list[str]:
    """What lies below a folder and is not of the result: by name, whatever it is, hidden or a folder of nothing."""
    expected = {SUMS, *KEEPERS, *sums.files}
    folders = {parent.as_posix() for name in sums.files for parent in Path(name).parents}
    found = []
    for place, names, files in os.walk(folder):
        below = Path(place).relative_to(folder)
        found += [name for each in names if (name := (below / each).as_posix()) not in folders]
        found += [name for each in files if (name := (below / each).as_posix()) not in expected]
    return sorted(found)
