"""Files and folders that appear whole or not at all."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from pqgan.errors import ResourceError


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
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
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
def new_folder(path: Path | str) -> Iterator[Path]:
    """A folder to fill; it takes its name, replacing an older one, only if the block ends without an error."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}."))
    try:
        yield temporary
        os.chmod(temporary, 0o755)
        # before the rename, which a power cut could otherwise leave pointing at files without content
        _sync(temporary)
        if path.is_dir():
            shutil.rmtree(path)
        os.replace(temporary, path)
        _sync_folder(path.parent)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
