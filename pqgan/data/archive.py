"""Unpacking an archive that nobody vouches for: the whole of it or nothing, and nothing outside its folder."""

import fcntl
import gzip
import os
import re
import shutil
import stat
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath
from typing import IO, NamedTuple

from pqgan.errors import DataError, PqganError, ResourceError
from pqgan.storage.manifest import sha256

from .names import SHOWN, first_of, shown

MEMBERS = 5_000_000
"""Files and folders; four times those of ImageNet, and names of them that fit into memory."""
HEADER = 1 << 20
"""Bytes; far more than the longest names that systems allow, and what a tar header may make us hold in memory."""
LONGEST = 255, 1024
"""Bytes of a part of a name, and of all of it."""
BLOCK = 512
"""Of a tar; two of zeros end it."""

AGAIN = "get it from its source again"


class Member(NamedTuple):
    """What an archive says of one of its entries."""

    name: str
    kind: str
    """`file`, `folder`, or else what it is that cannot be unpacked."""
    size: int


def provide(archive: Path, folder: Path, inner: str, expected: str | None) -> None:
    """Unpack an archive unless the folder is there; where several processes do so at once, all find the same folder.

    A single folder that everything in the archive lies in takes the place of `folder`.

    Args:
        archive: .tar, .tar.gz, .tgz or .zip.
        folder: to make.
        inner: path below it that must be in the archive; empty where anything will do.
        expected: sha256 of the archive; unchecked where None.

    Raises:
        DataError: not the expected archive; damaged; members that cannot be unpacked, all refused; or no `inner` in it.
        ResourceError: it does not fit on the disk.
    """
    try:
        with _locked(archive):
            if folder.is_dir():
                return
            if expected and (found := sha256(archive)) != expected:
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


def _publish(made: Path, folder: Path) -> None:
    try:
        os.rename(made, folder)
    except OSError:
        # where locks do not work another process may have been first; its folder is as good
        if not folder.is_dir():
            raise


@contextmanager
def _locked(archive: Path) -> Iterator[None]:
    """Others wait, which saves them from unpacking it all for nothing."""
    with open(archive, "rb") as file:
        with suppress(OSError):  # not every file system has locks
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _place_of(inner: str, unpacked: Path, archive: Path) -> Path:
    tops = sorted(unpacked.iterdir())
    for place in (tops[0], unpacked) if len(tops) == 1 and tops[0].is_dir() else (unpacked,):
        if tops and (place / inner).is_dir():
            return place
    held = first_of([shown(top.name) for top in tops])
    raise DataError(f"{archive}: holds no folder {inner}, but {held or 'nothing'}; correct path or archive of the set")


def _unpack(archive: Path, folder: Path) -> None:
    read = _unpack_zip if archive.suffix == ".zip" else _unpack_tar
    try:
        read(archive, lambda members: _vet(archive, members, folder), folder)
    except gzip.BadGzipFile as error:
        raise _damaged(archive, error) from None
    except (PqganError, OSError, MemoryError):
        raise
    except Exception as error:  # the readers raise whatever a damaged file makes them stumble over
        raise _damaged(archive, error) from None


def _damaged(archive: Path, error: Exception | str) -> DataError:
    reason = " ".join(str(error).split()) or type(error).__name__
    return DataError(f"{archive}: damaged, cut short or no archive of that kind ({shown(reason)}); {AGAIN}")


def _vet(archive: Path, members: Iterable[Member], folder: Path) -> None:
    """Look at every member before one is written.

    Raises:
        DataError: members that are refused; names the first few.
        ResourceError: more than the disk has room for.
    """
    room = shutil.disk_usage(folder).free
    files: set[str] = set()
    folders: set[str] = set()
    count = total = refused = 0
    reasons: list[str] = []
    for member in members:
        count, total = count + 1, total + member.size
        if member.size < 0:
            raise _damaged(archive, f"a member of {member.size} bytes")
        if max(count, len(files) + len(folders)) > MEMBERS:
            raise DataError(f"{archive}: refused whole, as it holds more than {MEMBERS} files and folders")
        if total > room:
            needed = f"unpacks to {total / 1e9:.1f} GB or more; {folder.parent} has room for {room / 1e9:.1f} GB"
            raise ResourceError(f"{archive}: {needed}; free space")
        if reason := _flaw(member) or _clash(member, files, folders):
            refused += 1
            if refused <= SHOWN:
                reasons.append(f"{shown(member.name[:200])} ({reason})")
    if refused:
        raise DataError(
            f"{archive}: refused whole, as {refused} members are not plain files and folders inside it: "
            f"{first_of(reasons, refused)}; {AGAIN}"
        )


def _flaw(member: Member) -> str | None:
    """Why a member may not be written, whatever else the archive holds."""
    name, parts = member.name, PurePosixPath(member.name).parts
    if member.kind not in ("file", "folder"):
        return member.kind
    if name.startswith("/") or re.match("[A-Za-z]:", name):
        return "an absolute name"
    if ".." in parts:
        return "leads out of its folder"
    if "\\" in name or "\0" in name:
        return "a name with a backslash or a zero byte"
    length = len(os.fsencode(name))
    if length > LONGEST[1] or any(len(os.fsencode(part)) > LONGEST[0] for part in parts):
        return "too long a name"
    return None if parts or member.kind == "folder" else "no name"


def _clash(member: Member, files: set[str], folders: set[str]) -> str | None:
    """Why a member cannot be beside those before it, to which it is added."""
    path = PurePosixPath(member.name)
    above = [parent.as_posix() for parent in path.parents]
    folders.update(above)
    if blocked := files.intersection(above):
        return f"lies in {shown(blocked.pop())}, which is a file"
    if member.kind == "folder":
        folders.add(path.as_posix())
        return "a folder with the name of a file" if path.as_posix() in files else None
    if path.as_posix() in folders:
        return "a file with the name of a folder"
    if path.as_posix() in files:
        return "a name that repeats"
    files.add(path.as_posix())
    return None


Vet = Callable[[Iterable[Member]], None]


class _Headers:
    """A stream that a header cannot make to be read whole into memory."""

    def __init__(self, file: IO[bytes]):
        self.seek, self.tell, self._file = file.seek, file.tell, file

    def read(self, size: int) -> bytes:
        if not 0 <= size <= HEADER:
            raise tarfile.ReadError(f"a header of {size} bytes")
        return self._file.read(size)


def _unpack_tar(archive: Path, vet: Vet, folder: Path) -> None:
    opened = open if archive.suffix == ".tar" else gzip.open
    with opened(archive, "rb") as file:
        stream = _Headers(file)
        tar = tarfile.open(fileobj=stream, mode="r:")  # noqa: SIM115 - the stream is ours to close
        vet(_tar_member(info) for info in _infos(tar))
        _check_end(stream, tar.offset)
        stream.seek(0)
        for info in _infos(tarfile.open(fileobj=stream, mode="r:")):  # noqa: SIM115
            tar.extract(info, folder, filter="data")


def _infos(tar: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    while info := tar.next():
        tar.members.clear()  # it keeps a kilobyte of each
        yield info


def _tar_member(info: tarfile.TarInfo) -> Member:
    kinds = {
        "a symbolic link": info.issym(),
        "a hard link": info.islnk(),
        "a device or pipe": info.isdev(),
        "a sparse file": info.issparse(),
        "folder": info.isdir(),
        "file": info.isreg(),
    }
    return Member(info.name, next((kind for kind, it_is in kinds.items() if it_is), "of a kind unknown"), info.size)


def _check_end(stream: _Headers, offset: int) -> None:
    """A tar that is cut between members, or has a damaged header, is to its reader one that ends there."""
    stream.seek(offset)
    if stream.read(2 * BLOCK) != bytes(2 * BLOCK):
        raise tarfile.ReadError("no end mark after its last readable member")
    # on to the checksum at the end of a gzip
    while block := stream.read(HEADER):
        if block.count(0) != len(block):
            raise tarfile.ReadError("goes on after its end mark")


def _unpack_zip(archive: Path, vet: Vet, folder: Path) -> None:
    with zipfile.ZipFile(archive) as opened:
        vet(_zip_member(info) for info in opened.infolist())
        opened.extractall(folder)


def _zip_member(info: zipfile.ZipInfo) -> Member:
    form = stat.S_IFMT(info.external_attr >> 16)
    kind = "folder" if info.is_dir() else "file"
    if form not in (0, stat.S_IFREG, stat.S_IFDIR):
        kind = "a symbolic link" if form == stat.S_IFLNK else "a device or pipe"
    elif info.flag_bits & 1:
        kind = "encrypted"
    return Member(info.filename, kind, info.file_size)
