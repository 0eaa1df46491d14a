"""A prepared set on disk: PNG images in zip shards, an index, a manifest. Format, random access, verification."""

import csv
import hashlib
import io
import json
import os
import struct
import zipfile
import zlib
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image
from pydantic import BaseModel, ConfigDict, ValidationError

from pqgan.errors import DataError
from pqgan.storage.manifest import sha256

MANIFEST = "manifest.json"
INDEX = "index.csv"
COLUMNS = ("key", "shard", "width", "height", "label", "caption", "source", "sha256")
SHARD_IMAGES = 10_000
LOCAL_HEADER = 30
"""Bytes of a zip member's header before its name and extra fields."""


class Manifest(BaseModel):
    """manifest.json of a prepared set."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: Literal[1] = 1
    name: str
    size: int
    """Shortest side (both, where squashed or cropped) of the images, pixels."""
    n: int
    classes: list[str]
    """By label; empty where images have no class."""
    digest: str
    """Of the content: equal wherever classes, pixels, labels, captions and sources are, however the PNGs are packed."""
    files: dict[str, str]
    """sha256 of each file."""
    bytes: dict[str, int]
    """Length of each file."""


def key(index: int) -> str:
    """Name of an image in the index; its shard holds it as `<key>.png`."""
    return f"{index:08d}"


def shard_name(shard: int) -> str:
    return f"images-{shard:05d}.zip"


def content_digest(classes: list[str], index: Path) -> str:
    """sha256 over the class names and the index, whose last column is the sha256 of each image's RGB bytes.

    Over pixels and not over files, because two builds of zlib pack the same PNG differently.
    """
    digest = hashlib.sha256(json.dumps(classes).encode())
    with open(index, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


class Shard:
    """Random access to the stored members of a zip.

    By pread, which moves no file position: forked workers and threads share the open file safely. Offsets are kept as
    arrays, because a million ZipInfo objects in every worker are gigabytes.
    """

    def __init__(self, path: Path, first: int):
        self.path, self.first = path, first
        try:
            with zipfile.ZipFile(path) as archive:
                members = archive.infolist()
            self._file = open(path, "rb")  # noqa: SIM115 - stays open for reading
        except (OSError, zipfile.BadZipFile) as error:
            raise DataError(
                f"{path}: cannot be read ({error}); expected a shard of images; make the set again"
            ) from None
        for position, member in enumerate(members):
            expected = f"{key(first + position)}.png"
            if member.filename != expected or member.compress_type != zipfile.ZIP_STORED:
                raise DataError(f"{path}: holds {member.filename!r}; expected {expected}, stored; make the set again")
        self._offsets = np.array([member.header_offset for member in members], dtype=np.int64)
        self._sizes = np.array([member.file_size for member in members], dtype=np.int64)
        self._crcs = np.array([member.CRC for member in members], dtype=np.int64)

    def read(self, index: int) -> bytes:
        """The PNG of an image of the set.

        Raises:
            DataError: it is not there, or its checksum is not the one it was written with.
        """
        position = index - self.first
        if position >= len(self._offsets):
            raise DataError(f"{self.path}: has no {key(index)}.png, which {INDEX} lists; make the set again")
        file, offset = self._file.fileno(), int(self._offsets[position])
        try:
            header = os.pread(file, LOCAL_HEADER, offset)
            if len(header) == LOCAL_HEADER:
                name, extra = struct.unpack_from("<HH", header, 26)
                content = os.pread(file, int(self._sizes[position]), offset + LOCAL_HEADER + name + extra)
                if zlib.crc32(content) == self._crcs[position]:
                    return content
        except OSError as error:
            raise DataError(
                f"{self.path}: {key(index)}.png cannot be read: {error.strerror}; look at the disk that it lies on"
            ) from None
        raise DataError(f"{self.path}: {key(index)}.png is damaged (its checksum differs); make the set again")


class PreparedSet:
    """A prepared set, opened for reading; picklable, and safe to use in forked workers.

    Opening checks that all files are there with the lengths that the manifest lists; `verify` checks every byte.

    Raises:
        DataError: from opening, the folder is no prepared set, or not a whole one; from reading, a damaged image.
    """

    def __init__(self, folder: Path | str):
        self.folder = Path(folder)
        self.manifest = self._read_manifest()
        self.name, self.size, self.digest = self.manifest.name, self.manifest.size, self.manifest.digest
        self.classes = self.manifest.classes
        for name, length in self.manifest.bytes.items():
            path = self.folder / name
            found = path.stat().st_size if path.is_file() else None
            if found != length:
                got = "is missing" if found is None else f"has {found} bytes"
                raise DataError(f"{path}: {got}; {MANIFEST} lists {length} bytes; delete the folder and make it again")
        self._shards: dict[int, Shard] = {}

    def _read_manifest(self) -> Manifest:
        path = self.folder / MANIFEST
        try:
            return Manifest.model_validate_json(path.read_text())
        except (FileNotFoundError, NotADirectoryError):
            raise DataError(f"{path}: no such file; expected a prepared set, made by pqgan prepare-data") from None
        except (ValidationError, UnicodeDecodeError):
            raise DataError(f"{path}: not a manifest of schema 1; delete the folder and make it again") from None

    def __reduce__(self):
        return PreparedSet, (self.folder,)

    def __len__(self) -> int:
        return self.manifest.n

    def rows(self) -> Iterator[dict[str, str]]:
        """The rows of index.csv, in order."""
        with open(self.folder / INDEX, newline="", encoding="utf-8") as file:
            yield from csv.DictReader(file)

    @cached_property
    def _index(self) -> tuple[np.ndarray, np.ndarray, list[str]]:
        """Labels, and captions as numbers of their distinct texts."""
        labels = np.full(len(self), -1, dtype=np.int64)
        captions = np.zeros(len(self), dtype=np.int64)
        texts: dict[str, int] = {}
        position = -1
        for position, row in enumerate(self.rows()):
            if position >= len(self) or row["key"] != key(position):
                raise DataError(f"{self.folder / INDEX}: row {position} is {row['key']!r}; make the set again")
            labels[position] = int(row["label"])
            captions[position] = texts.setdefault(row["caption"], len(texts))
        if position + 1 != len(self):
            raise DataError(
                f"{self.folder / INDEX}: {position + 1} rows; {MANIFEST} lists {len(self)}; make the set again"
            )
        return labels, captions, list(texts)

    def _at(self, index: int) -> int:
        if not 0 <= index < len(self):
            raise IndexError(f"{self.folder}: image {index} of {len(self)}")
        return index

    def image(self, index: int) -> np.ndarray:
        """RGB pixels (H, W, 3), uint8."""
        number = self._at(index) // SHARD_IMAGES
        if number not in self._shards:
            self._shards[number] = Shard(self.folder / shard_name(number), number * SHARD_IMAGES)
        with Image.open(io.BytesIO(self._shards[number].read(index)), formats=("PNG",)) as image:
            return np.array(image)

    def label(self, index: int) -> int:
        """Position in classes; -1 where the set has none."""
        return int(self._index[0][self._at(index)])

    def caption(self, index: int) -> str:
        _, captions, texts = self._index
        return texts[captions[self._at(index)]]

    def verify(self) -> None:
        """Hash every file and the content.

        Raises:
            DataError: a file is not what the manifest lists; names it and both hashes.
        """
        for name, expected in self.manifest.files.items():
            found = sha256(self.folder / name)
            if found != expected:
                path = self.folder / name
                raise DataError(
                    f"{path}: sha256 is {found}; {MANIFEST} lists {expected}; delete the folder and make it again"
                )
        found = content_digest(self.classes, self.folder / INDEX)
        if found != self.digest:
            raise DataError(
                f"{self.folder / MANIFEST}: digest of the content is {found}; it lists {self.digest}; make it again"
            )
