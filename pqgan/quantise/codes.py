"""Code files: codes of many images, written one after another and read in any order.

A file is whole or not there, and every byte of it is verified before one is used. pqgan.quantise.code_format has its
format.
"""

import hashlib
import os
import stat
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import accumulate
from pathlib import Path
from typing import IO

import numpy as np
from pydantic import ValidationError

from pqgan.errors import DataError
from pqgan.storage.atomic import new_file

from .code_format import (
    FOOTER,
    LONGEST_HEADER,
    LONGEST_LINE,
    MAGIC,
    PREAMBLE,
    READABLE,
    VERSION,
    Entry,
    Header,
    reason,
)
from .packing import pack, unpack

BLOCK = 1 << 20
"""Bytes hashed at a time."""
AGAIN = "encode the images again, or get the file from its source again"


class CodeWriter:
    """Fills a code file; made by `new_code_file`.

    Attributes:
        size: bytes so far.
        pixels: of the images so far.
    """

    def __init__(self, file: IO[bytes], header: Header):
        self.size = self.pixels = 0
        self._file, self._header = file, header
        self._lines: list[bytes] = []
        self._names: set[str] = set()
        self._hash = hashlib.sha256()
        content = header.json_bytes()
        self._write(PREAMBLE.pack(MAGIC, VERSION, len(content)) + content)

    def _write(self, content: bytes) -> None:
        self._file.write(content)
        self._hash.update(content)
        self.size += len(content)

    def add(self, name: str, codes: np.ndarray, width: int, height: int) -> None:
        """Append an image.

        Args:
            name: relative, with slashes.
            codes: (S, h, w) integers.
            width: of the image, pixels.
            height: likewise.

        Raises:
            DataError: a name that a code file cannot hold.
            ValueError: codes of another shape or range than header and size say, or a name that repeats.
        """
        subspaces, h, w = codes.shape
        try:
            entry = Entry(h=h, height=height, name=name, w=w, width=width)
        except ValidationError as error:
            raise DataError(f"{name!a}: {reason(error)}; rename it") from None
        if subspaces != self._header.S or not entry.fits(self._header.F) or name in self._names:
            raise ValueError(f"codes {codes.shape} of {entry!r} do not fit {self._header!r} and the images before it")
        self._write(pack(codes, self._header.K))
        self._names.add(name)
        self._lines.append(entry.json_bytes() + b"\n")
        self.pixels += width * height

    def finish(self) -> None:
        """Append index and footer."""
        for line in self._lines:
            self._write(line)
        self._write(struct.pack("<Q", sum(map(len, self._lines))))
        self._write(self._hash.digest())


@contextmanager
def new_code_file(path: Path | str, header: Header) -> Iterator[CodeWriter]:
    """A file to fill, image by image; it takes its name, replacing an older one, only if the block ends without error.

    Raises:
        ResourceError: disk full, folder not writable; nothing is left behind.
    """
    with new_file(path) as file:
        writer = CodeWriter(file, header)
        yield writer
        writer.finish()


class CodeFile:
    """A code file, verified; a context manager.

    Attributes:
        header: what its codes have in common.
        entries: its images, in order.

    Raises:
        DataError: missing, no code file, of a newer format, damaged, or cut short; says which.
    """

    def __init__(self, path: Path | str):
        self.path = Path(path)
        try:
            # opening a pipe would wait for ever
            if not stat.S_ISREG(os.stat(path).st_mode):
                raise DataError(f"{path}: not a regular file; expected a code file")
            self._file = open(path, "rb")  # noqa: SIM115 - closed by the context manager
        except OSError as error:
            raise DataError(f"{path}: {error.strerror}; expected a code file, as pqgan encode writes it") from None
        try:
            self.header, self.entries, self._starts = self._verify()
        except ValidationError as error:
            self._file.close()
            raise self._damaged(reason(error)) from None
        except OSError as error:
            self._file.close()
            raise self._damaged(error.strerror) from None
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> "CodeFile":
        return self

    def __exit__(self, *_) -> None:
        self._file.close()

    def _damaged(self, what: str | None) -> DataError:
        return DataError(f"{self.path}: damaged or cut short ({what}); {AGAIN}")

    def _verify(self) -> tuple[Header, list[Entry], list[int]]:
        file, size = self._file, os.fstat(self._file.fileno()).st_size
        start = file.read(PREAMBLE.size)
        if not start or not MAGIC.startswith(start[: len(MAGIC)]):
            held = f"starts with {start.decode('latin-1')!a}" if start else "an empty file"
            raise DataError(f"{self.path}: no code file: {held}; expected one that pqgan encode wrote")
        if len(start) < PREAMBLE.size:
            raise self._damaged(f"{size} bytes")
        _, version, header_size = PREAMBLE.unpack(start)
        if version not in READABLE:
            raise DataError(
                f"{self.path}: a code file of format {version}; this pqgan reads format {VERSION} and older; "
                + ("use a newer one" if version > VERSION else AGAIN)
            )
        payload = PREAMBLE.size + header_size
        if header_size > LONGEST_HEADER or payload + FOOTER.size > size:
            raise self._damaged(f"{size} bytes, with a header of {header_size}")
        index_size = self._check_sum(size)
        index = size - FOOTER.size - index_size
        if index < payload:
            raise self._damaged(f"{size} bytes, with an index of {index_size}")
        file.seek(PREAMBLE.size)
        header = Header.model_validate_json(file.read(header_size))
        file.seek(index)
        entries = list(self._read_index(header, size - FOOTER.size))
        sizes = (entry.packed_size(header) for entry in entries)
        *starts, end = accumulate(sizes, initial=payload)
        if end != index:
            raise self._damaged(f"codes of {index - payload} bytes; by the index {end - payload}")
        return header, entries, starts

    def _check_sum(self, size: int) -> int:
        """Compare every byte; the length of the index."""
        hashed, left = hashlib.sha256(), size - hashlib.sha256().digest_size
        self._file.seek(0)
        while left:
            block = self._file.read(min(BLOCK, left))
            if not block:
                raise self._damaged("it shrinks while it is read")
            hashed.update(block)
            left -= len(block)
        self._file.seek(size - FOOTER.size)
        index_size, expected = FOOTER.unpack(self._file.read(FOOTER.size))
        if hashed.digest() != expected:
            raise self._damaged("its content does not have the sha256 at its end")
        return index_size

    def _read_index(self, header: Header, end: int) -> Iterator[Entry]:
        names: set[str] = set()
        folders: set[str] = set()
        while (left := end - self._file.tell()) > 0:
            line = self._file.readline(min(left, LONGEST_LINE))
            if not line.endswith(b"\n"):
                raise self._damaged("an index that is not of lines")
            entry = Entry.model_validate_json(line)
            if not entry.fits(header.F):
                raise self._damaged(f"{entry.name!a}: {entry.width}x{entry.height} px as {entry.w}x{entry.h} codes")
            above = [parent.as_posix() for parent in Path(entry.name).parents]
            if entry.name in names or entry.name in folders or not names.isdisjoint(above):
                raise self._damaged(f"{entry.name!a}: a name that repeats, or that of a folder")
            names.add(entry.name)
            folders.update(above)
            yield entry

    def codes(self, index: int) -> np.ndarray:
        """Codes (S, h, w) of an image, in the smallest unsigned type that holds them.

        Raises:
            DataError: a code outside [0, K), or a file that was changed after it was verified.
        """
        entry, S = self.entries[index], self.header.S
        self._file.seek(self._starts[index])
        packed = self._file.read(entry.packed_size(self.header))
        try:
            return unpack(packed, (S, entry.h, entry.w), self.header.K)
        except ValueError as error:
            raise self._damaged(f"{entry.name!a}: {error}") from None
