"""Unpacking the archive of a set, whose sha256 the settings name: the whole of it, once, or nothing."""

import fcntl
import gzip
import os
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from pqgan.errors import DataError, ResourceError
from pqgan.storage.manifest import sha256

from .names import first_of, shown

AGAIN = "get it from its source again"


def provide(archive: Path, folder: Path, inner: str, expected: str) -> None:
    """Unpack an archive unless the folder is there; if several processes do so at once, all find the same folder.

    A single folder that everything in the archive lies in takes the place of `folder`.

    Args:
        archive: .tar, .tar.gz, .tgz or .zip.
        folder: to make.
        inner: path below it that must be in the archive; empty if anything will do.
        expected: sha256 of the archive: whoever wrote it into the settings vouches for the content.

    Raises:
        DataError: not the expected archive; one that cannot be unpacked within its folder; or no `inner` in it.
        ResourceError: it does not fit on the disk.
    """
    try:
        with _locked(archive):
            if folder.is_dir():
                return
            if (found := sha256(archive)) != expected:
                raise DataError(f"{archive}: sha256 is {found}; the settings say {expected}; {AGAIN}, or correct them")
            print(f"{archive}: unpacking into {folder}, once for all sets", flush=True)
            with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}.") as temporary:
                _unpack(archive, Path(temporary))
                made = _place_of(inner, Path(temporary), archive)
                os.chmod(made, 0o755)
                _publish(made, folder)
    except OSError as error:
        what = shown(str(error.filename or folder))
        raise ResourceError(f"{what}: {error.strerror}; free space, or unpack {archive} yourself") from None


def _unpack(archive: Path, folder: Path) -> None:
    """Write all members; the libraries let none of them out of the folder."""
    try:
        if archive.suffix == ".zip":
            with zipfile.ZipFile(archive) as opened:
                opened.extractall(folder)
        else:
            with tarfile.open(archive) as opened:
                opened.extractall(folder, filter="data")
    except Exception as error:  # the readers raise whatever a damaged file makes them stumble over
        if isinstance(error, OSError | MemoryError) and not isinstance(error, gzip.BadGzipFile):
            raise
        reason = shown(" ".join(str(error).split()) or type(error).__name__)
        raise DataError(f"{archive}: cannot be unpacked ({reason}); {AGAIN}") from None


def _place_of(inner: str, unpacked: Path, archive: Path) -> Path:
    tops = sorted(unpacked.iterdir())
    alone = len(tops) == 1 and tops[0].is_dir() and not tops[0].is_symlink()
    for place in (tops[0], unpacked) if alone else (unpacked,):
        if tops and (place / inner).is_dir():
            return place
    held = first_of([shown(top.name) for top in tops])
    raise DataError(f"{archive}: holds no folder {inner}, but {held or 'nothing'}; correct path or archive of the set")


def _publish(made: Path, folder: Path) -> None:
    try:
        os.rename(made, folder)
    except OSError:
        # without locks another process may have been first; its folder is as good
        if not folder.is_dir():
            raise


@contextmanager
def _locked(archive: Path) -> Iterator[None]:
    """Others wait, which saves them from unpacking it all for nothing."""
    with open(archive, "rb") as file:
        with suppress(OSError):  # not every file system has locks
            fcntl.flock(file, fcntl.LOCK_EX)
        yield
