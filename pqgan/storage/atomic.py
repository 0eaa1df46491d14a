"""Files and folders that appear whole or not at all."""

import errno
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from pqgan.errors import ResourceError, SettingsError

from .leftovers import CONTENT, REPLACED, clear, prefix, sweep


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _sync(folder: Path) -> None:
    """Bring everything below a folder onto the disk."""
    for place, _, names in os.walk(folder):
        for name in names:
            with open(os.path.join(place, name), "rb") as file:
                os.fchmod(file.fileno(), 0o644)  # safetensors leaves its files to their owner alone
                os.fsync(file.fileno())
        _sync_folder(Path(place))


@contextmanager
def new_file(path: Path | str) -> Iterator[IO[bytes]]:
    """A file to write; it takes its name, replacing an older one, only if the block ends without an error.

    Raises:
        ResourceError: disk full, folder not writable; any OSError of the block counts as one of writing.
    """
    path = Path(path)
    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # beside the target, because a rename from another file system is a copy that can be cut short
        sweep(path.parent)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=prefix(path))
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
        _sync_folder(path.parent)
    except BaseException as error:
        if temporary:
            Path(temporary).unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise ResourceError(
                f"{path}: cannot be written: {error.strerror}; free space or change the folder"
            ) from None
        raise


def write_bytes(path: Path | str, content: bytes) -> None:
    """Write a file beside its target, then rename it over the target."""
    with new_file(path) as file:
        file.write(content)


def write_text(path: Path | str, content: str) -> None:
    write_bytes(path, content.encode())


@contextmanager
def new_folder(path: Path | str, may_replace: Callable[[Path], None] | None = None) -> Iterator[Path]:
    """A folder to fill; it takes its name only if the block ends without an error.

    What it replaces is put aside first and deleted last, so that there is never less than one of the two.

    Args:
        path: of the folder; what is there is replaced only if it is an empty folder, or `may_replace` agrees.
        may_replace: raises an error where what is there may not be replaced; asked before the block and after it.

    Raises:
        SettingsError: something is there that is not replaced.
        ResourceError: another process made the same folder at the same time.
    """
    path = Path(path)
    _check(path, may_replace)
    path.parent.mkdir(parents=True, exist_ok=True)
    sweep(path.parent)
    working = Path(tempfile.mkdtemp(dir=path.parent, prefix=prefix(path)))
    content = working / CONTENT
    try:
        content.mkdir()
        yield content
        os.chmod(content, 0o755)
        # before the rename, which a power cut could otherwise leave pointing at files without content
        _sync(content)
        if _check(path, may_replace):
            with suppress(FileNotFoundError):  # another process has just put it aside
                os.rename(path, working / REPLACED)
        _take_name(content, path)
        _sync_folder(path.parent)
    except BaseException:
        with suppress(OSError):  # what cannot be given back now is by the next sweep
            clear(working, path)
        raise
    shutil.rmtree(working, ignore_errors=True)


def _check(path: Path, may_replace: Callable[[Path], None] | None) -> bool:
    """Whether something has to be put aside; an error where it may not be."""
    if not os.path.lexists(path) or is_empty_folder(path):
        return False
    if may_replace is None:
        raise SettingsError(f"{path}: is there already; choose another name, or remove it")
    may_replace(path)
    return True


def is_empty_folder(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink() and not any(path.iterdir())


def _take_name(content: Path, path: Path) -> None:
    try:
        os.replace(content, path)
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
            raise
        raise ResourceError(f"{path}: another process made it in the meantime; its result stays") from None
