"""Where a command may write: nowhere but at a new name, or over an earlier result of its own kind that nobody changed.

One rule for every --out. A folder may be absent or empty, or hold a result of the same kind, which is one whose
SHA256SUMS names that kind and every file in it as it is. A file may be absent, or one that the same command wrote.
"""

import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from safetensors import SafetensorError

from pqgan.errors import REMEDIES, DataError, ResourceError, SettingsError

from .atomic import is_empty_folder, new_folder
from .leftovers import prefix
from .manifest import SUMS, changes, foreign, read_sums, write_sums
from .signed import read_signed
from .verified import verified_sha256

OTHER = "choose another name"


@contextmanager
def new_result(path: Path | str, kind: str, known: Mapping[str, str] | None = None) -> Iterator[Path]:
    """A folder to fill, which appears whole and with its SHA256SUMS.

    Args:
        path: absent, empty, or a result of the same kind as it was written, which is replaced.
        kind: of the result: a chapter of the plan, or what a command calls it.
        known: file -> sha256 of those that need no second reading; may be filled by the block.

    Raises:
        SettingsError: something else is there.
        ResourceError: the weights of a network do not fit on the disk.
    """
    try:
        with new_folder(path, lambda there: refuse_to_replace(there, kind)) as folder:
            yield folder
            write_sums(folder, kind, known)
    except SafetensorError as error:
        if "serializing" not in str(error):  # of reading
            raise
        raise ResourceError(
            f"{path}: cannot be written: {error}; free space or raise the limit, then run the same command again"
        ) from None


def check_folder(
    out: Path | str, kind: str | None, *, option: str = "--out", apart: Mapping[str, Path | str | None] | None = None
) -> None:
    """See, before any work, whether a folder can be made.

    Args:
        out: as it was given; the empty text is the current folder.
        kind: of the result that it may replace; None for none.
        option: that names it.
        apart: option -> what is read or written besides, which must not be `out`, hold it or lie in it.

    Raises:
        SettingsError: it may not be made there; says why.
        ResourceError: it cannot be made there.
    """
    path, told = Path(out), f"{option}: {str(out)!r}"
    _refuse_the_surroundings(path, told)
    _refuse_a_link(path, told)
    _keep_apart(path, told, apart)
    if os.path.lexists(path):
        if not path.is_dir():
            raise SettingsError(f"{told} is a file; expected a folder; {OTHER}")
        if os.path.ismount(path):
            raise SettingsError(f"{told} is where a disk is mounted; give a folder in it")
        if not is_empty_folder(path):
            if kind is None:
                raise SettingsError(f"{told} is there and no empty folder; {OTHER}")
            refuse_to_replace(path, kind, told)
    _try_to_write_beside(path, told)


def check_file(
    out: Path | str,
    own: Callable[[Path], bool],
    expected: str,
    *,
    option: str = "--out",
    apart: Mapping[str, Path | str | None] | None = None,
) -> None:
    """See, before any work, whether a file can be written.

    Args:
        out: as it was given.
        own: whether a file that is there was written by the same command.
        expected: what that would be, in words.
        option: that names it.
        apart: as for `check_folder`.

    Raises:
        SettingsError: it may not be written there; says why.
        ResourceError: it cannot be written there.
    """
    path, told = Path(out), f"{option}: {str(out)!r}"
    _refuse_a_link(path, told)
    if path.is_dir():
        raise SettingsError(f"{told} is a folder; expected a file to write")
    _keep_apart(path, told, apart)
    if os.path.lexists(path) and not (path.is_file() and own(path)):
        raise SettingsError(f"{told} is there and not {expected}; {OTHER}, or remove it")
    _try_to_write_beside(path, told)


def check_signed(out: Path | str, by: str, *, apart: Mapping[str, Path | str | None] | None = None) -> None:
    """`check_file` of a JSON file that a command signs (pqgan.storage.signed).

    Args:
        by: the command.
    """
    check_file(out, lambda path: read_signed(path, by) is not None, f"a file of {by} as it was written", apart=apart)


def refuse_to_replace(folder: Path, kind: str, told: str | None = None) -> None:
    """Raise SettingsError unless a folder holds a result of a kind, whole and unchanged, and nothing else."""
    if why := _why_not(folder, kind):
        raise SettingsError(
            f"{told or folder} is there and {why}; only {kind} results that pqgan wrote and nobody changed are "
            f"replaced; {OTHER}, or remove it"
        )


def _why_not(folder: Path, kind: str) -> str | None:
    if folder.is_symlink() or not folder.is_dir():
        return "no folder"
    if (folder / ".git").exists():
        return "the root of a git repository"
    if not os.path.lexists(folder / SUMS):
        return f"has no {SUMS}"
    try:
        sums = read_sums(folder)
    except DataError:
        return f"its {SUMS} cannot be read"
    if sums.kind != kind:
        return f"is a {sums.kind} result" if sums.kind else f"its {SUMS} does not say of which kind it is"
    if strange := foreign(folder, sums):
        return f"holds {strange[0]}, which is not of the result" + _and_more(strange)
    # files that were hashed by this process are not read again
    if wrong := changes(folder, sums.files, verified_sha256):
        return f"was changed ({wrong[0]})" + _and_more(wrong)
    return None


def _and_more(found: list[str]) -> str:
    return f" (and {len(found) - 1} more)" if len(found) > 1 else ""


def _refuse_the_surroundings(path: Path, told: str) -> None:
    for what, name in ((".", "current"), (os.path.expanduser("~"), "home")):
        if holds(path, what):
            how = "is" if _is_same(path, what) else "holds"
            raise SettingsError(f"{told} {how} the {name} folder; expected a folder of its own; {OTHER}")


def _refuse_a_link(path: Path, told: str) -> None:
    try:
        link = path.is_symlink()
    except OSError as error:  # a name that is too long
        raise SettingsError(f"{told}: {error.strerror}; {OTHER}") from None
    if link:
        raise SettingsError(f"{told} is a link; give the place that it leads to, or remove it")


def _keep_apart(path: Path, told: str, apart: Mapping[str, Path | str | None] | None) -> None:
    for option, used in (apart or {}).items():
        if used is None:
            continue
        if holds(path, used):
            raise SettingsError(f"{told} {'is' if _is_same(path, used) else 'holds'} what {option} names; {OTHER}")
        if holds(used, path):
            raise SettingsError(f"{told} lies in what {option} names; {OTHER}")


def holds(outer: Path | str, inner: Path | str) -> bool:
    """Whether one place is another or lies in it, by whatever names, links and mounts they are reached."""
    place = Path(os.path.realpath(inner))
    return any(_is_same(each, outer) for each in (place, *place.parents))


def _is_same(one: Path | str, other: Path | str) -> bool:
    try:
        return os.path.samefile(one, other)
    except OSError:  # one is not there yet
        return os.path.realpath(one) == os.path.realpath(other)


def _try_to_write_beside(path: Path, told: str) -> None:
    """Make a file where the output will be made, and remove it: what the system forbids is known before the work."""
    parent = Path(os.path.abspath(path)).parent
    begins = prefix(path)
    while not os.path.lexists(parent):
        parent = parent.parent
    if not parent.is_dir():
        raise SettingsError(f"{told} cannot be made: {parent} is a file; {OTHER}")
    try:
        with tempfile.NamedTemporaryFile(dir=parent, prefix=begins):
            pass
    except OSError as error:
        remedy = REMEDIES.get(error.errno, OTHER)
        raise ResourceError(f"{told} cannot be made: {parent}: {error.strerror}; {remedy}") from None
