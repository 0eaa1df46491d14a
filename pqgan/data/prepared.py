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
from pydantic import BaseModel, ConfigDict, NonNegativeInt, PositiveInt, model_validator

from pqgan.errors import DataError
from pqgan.storage.json_files import in_line, read_model
from pqgan.storage.manifest import Sha256, check_listed, sha256

MANIFEST = "manifest.json"
INDEX = "index.csv"
COLUMNS = ("key", "shard", "width", "height", "label", "caption", "source", "sha256")
csv.field_size_limit(1 << 30)  # a caption may be longer than the 128 KiB at which csv stops
SHARD_IMAGES = 10_000
LOCAL_HEADER = 30
"""Bytes of a zip member's header before its name and extra fields."""


class Manifest(BaseModel):
    """manifest.json of a prepared set."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: Literal[1] = 1
    name: str
    size: PositiveInt
    """Shortest side (both, where squashed or cropped) of the images, pixels."""
    n: NonNegativeInt
    converted: NonNegativeInt = 0
    """Images whose colours a profile explained, and which were converted to sRGB; 0 of sets from before these counts,
    in which none were.
    """
    profiles_ignored: NonNegativeInt = 0
    """Images whose colour profile was damaged, or for images of another kind, so that their levels are as stored."""
    classes: list[str]
    """By label; empty where images have no class."""
    digest: Sha256
    """Of the content: equal wherever classes, pixels, labels, captions and sources are, however the PNGs are packed."""
    files: dict[str, Sha256]
    """sha256 of each file."""
    bytes: dict[str, int]
    """Length of each file."""

    @model_validator(mode="after")
    def _lists_the_files_of_its_images(self) -> "Manifest":
        shards = -(-self.n // SHARD_IMAGES)
        if shards > len(self.files) or {*self.files} != {INDEX, *map(shard_name, range(shards))}:
            raise ValueError(f"files: got {len(self.files)}; expected {INDEX} and the shards of {self.n} images")
        if {*self.bytes} != {*self.files}:
            raise ValueError("bytes: of other files than files")
        return self


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
        except Exception as error:  # zipfile's, of damaged files, are of no common family
            raise DataError(
                f"{path}: cannot be read ({in_line(error)}); expected a shard of images; make the set again"
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
        expected = "the manifest of schema 1 of a prepared set, made by pqgan prepare-data; delete the folder"
        manifest = read_model(path, Manifest, expected)
        check_listed(path)
        return manifest

    def __reduce__(self):
        return PreparedSet, (self.folder,)

    def __len__(self) -> int:
        return self.manifest.n

    def rows(self) -> Iterator[dict[str, str]]:
        """The rows of index.csv, in order.

        Raises:
            DataError: it is damaged.
        """
        path = self.folder / INDEX
        try:
            with open(path, newline="", encoding="utf-8") as file:
                rows = csv.DictReader(file, strict=True)
                if tuple(rows.fieldnames or ()) != COLUMNS:
                    raise DataError(f"{path}: has other columns than {', '.join(COLUMNS)}; make the set again")
                for number, row in enumerate(rows):
                    if None in row or None in row.values():
                        raise DataError(f"{path}: row {number} has more or fewer columns; make the set again")
                    yield row
        except (csv.Error, UnicodeDecodeError, OSError) as error:
            raise DataError(f"{path}: damaged ({in_line(error)}); make the set again") from None

    @cached_property
    def _index(self) -> tuple[np.ndarray, np.ndarray, list[str]]:
        """Labels, and captions as numbers of their distinct texts."""
        path = self.folder / INDEX
        # a small part of what reading it takes
        if (found := sha256(path)) != (listed := self.manifest.files[INDEX]):
            raise DataError(f"{path}: sha256 is {found}; {MANIFEST} lists {listed}; make the set again")
        labels = np.full(len(self), -1, dtype=np.int64)
        captions = np.zeros(len(self), dtype=np.int64)
        known = {str(label): label for label in range(-1, len(self.classes))}
        texts: dict[str, int] = {}
        position = -1
        for position, row in enumerate(self.rows()):
            if position >= len(self) or row["key"] != key(position):
                raise DataError(f"{path}: row {position} is {in_line(repr(row['key']))}; make the set again")
            if row["label"] not in known:
                raise DataError(
                    f"{path}: row {position} has the label {in_line(repr(row['label']))}; make the set again"
                )
            labels[position] = known[row["label"]]
            captions[position] = texts.setdefault(row["caption"], len(texts))
        if position + 1 != len(self):
            raise DataError(f"{path}: {position + 1} rows; {MANIFEST} lists {len(self)}; make the set again")
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
        try:
            with Image.open(io.BytesIO(self._shards[number].read(index)), formats=("PNG",)) as image:
                return np.array(image)
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):  # Pillow's, of damaged files
            path = self.folder / shard_name(number)
            raise DataError(f"{path}: {key(index)}.png is no picture; make the set again") from None

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
