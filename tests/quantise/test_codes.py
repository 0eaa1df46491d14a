"""Code files: their size, their round trip, and every way to spoil one."""

import errno
import hashlib
import io
import json
import math
import os
import resource
import stat
import struct
import tracemalloc
import zipfile
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pqgan.errors import DataError, ResourceError
from pqgan.quantise.code_format import MAGIC, Header
from pqgan.quantise.codes import CodeFile, new_code_file
from pqgan.quantise.packing import bits_of

F = 8
SIZES = {"one.png": (8, 8), "deep/zwei ü 写.jpg": (17, 40), "deep/3\n.webp": (1, 1), "4": (64, 9)}
"""Name -> width and height."""


def header_of(K: int = 5, S: int = 3, **changes) -> Header:
    values = {"F": F, "K": K, "S": S, "bits": bits_of(K), "d": 2 * S, "model": "PQModel", "network": "ab" * 32}
    return Header(**values | changes)


def codes_of(K: int, S: int = 3) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(K)
    return {name: rng.integers(0, K, (S, -(-height // F), -(-width // F))) for name, (width, height) in SIZES.items()}


def write(path: Path, K: int = 5) -> dict[str, np.ndarray]:
    codes = codes_of(K)
    with new_code_file(path, header_of(K)) as writer:
        for name, (width, height) in SIZES.items():
            writer.add(name, codes[name], width, height)
    assert writer.size == path.stat().st_size
    assert writer.pixels == sum(width * height for width, height in SIZES.values())
    return codes


def refused(path: Path, message: str = "") -> None:
    with pytest.raises(DataError, match=message) as caught:
        CodeFile(path)
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("K", [2, 3, 128, 512, 1000, 1024, 16384, 2**24])
def test_codes_come_back_exactly_in_any_order(tmp_path, K):
    codes = write(tmp_path / "file.pqc", K)
    with CodeFile(tmp_path / "file.pqc") as file:
        assert file.header == header_of(K)
        assert {entry.name: (entry.width, entry.height) for entry in file.entries} == SIZES
        for index in (2, 0, 3, 1, 1):
            assert np.array_equal(file.codes(index), codes[file.entries[index].name])


@pytest.mark.parametrize("K", [2, 3, 128, 512, 1000, 1024, 16384, 2**24])
def test_the_size_is_that_of_the_formula(tmp_path, K):
    write(tmp_path / "file.pqc", K)
    content = (tmp_path / "file.pqc").read_bytes()
    payload = sum(
        math.ceil(3 * math.ceil(height / F) * math.ceil(width / F) * math.ceil(math.log2(K)) / 8)
        for width, height in SIZES.values()
    )
    (header,) = struct.unpack_from("<I", content, 12)
    (index,) = struct.unpack_from("<Q", content, len(content) - 40)
    assert len(content) == 16 + header + payload + index + 40


def test_the_file_can_be_read_as_documented(tmp_path):
    codes = write(tmp_path / "file.pqc", 512)
    content = (tmp_path / "file.pqc").read_bytes()
    assert hashlib.sha256(content[:-32]).digest() == content[-32:]
    magic, version, length = struct.unpack_from("<8sII", content)
    assert (magic, version) == (MAGIC, 2)
    text = content[16 : 16 + length].decode()
    header = json.loads(text)
    assert header == {"F": 8, "K": 512, "S": 3, "bits": 9, "d": 6, "model": "PQModel", "network": "ab" * 32}
    assert text == json.dumps(header, sort_keys=True, separators=(",", ":"))
    (index,) = struct.unpack_from("<Q", content, len(content) - 40)
    place = 16 + length
    for line in content[-40 - index : -40].decode().splitlines():
        entry = json.loads(line)
        count = 3 * entry["h"] * entry["w"]
        number = int.from_bytes(content[place : place + -(-count * 9 // 8)], "little")
        expected = codes[entry["name"]].reshape(-1)
        assert [number >> (9 * i) & 511 for i in range(count)] == expected.tolist()
        place += -(-count * 9 // 8)
    assert place == len(content) - 40 - index


def test_the_same_codes_make_the_same_file(tmp_path):
    for name in ("a", "b"):
        write(tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o644


def test_cut_anywhere_it_is_refused(tmp_path):
    path = tmp_path / "file.pqc"
    write(path)
    content = path.read_bytes()
    for length in range(len(content)):
        path.write_bytes(content[:length])
        refused(path, "an empty file" if length == 0 else "cut short")
    path.write_bytes(content + b"\0")
    refused(path, "sha256")


def test_a_flip_of_any_byte_is_refused(tmp_path):
    path = tmp_path / "file.pqc"
    write(path)
    content = path.read_bytes()
    for place in range(len(content)):
        for flip in (1, 0x80):
            spoiled = bytearray(content)
            spoiled[place] ^= flip
            path.write_bytes(spoiled)
            refused(path, "no code file" if place < 8 else "of format" if place < 12 else "damaged")


def a_png() -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (64, 64)).save(file, "PNG")
    return file.getvalue()


def a_zip() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("codes", b"x" * 100)
    return file.getvalue()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "no code file: an empty file"),
        (b"x", "no code file: starts with 'x'"),
        (a_png(), r"no code file: starts with '\\x89PNG"),
        (a_zip(), r"no code file: starts with 'PK\\x03\\x04"),
        (MAGIC.replace(b"\r\n", b"\n") + bytes(100), "no code file"),
        (
            MAGIC + struct.pack("<I", 3) + bytes(100),
            "a code file of format 3; this pqgan reads format 2 and older; use a",
        ),
        (MAGIC + bytes(100), "a code file of format 0; this pqgan reads format 2 and older; encode"),
        (MAGIC + struct.pack("<II", 1, 2**32 - 1) + bytes(100), "with a header of 4294967295"),
    ],
)
def test_other_files_are_refused(tmp_path, content, message):
    (tmp_path / "file").write_bytes(content)
    refused(tmp_path / "file", message)


def test_what_is_no_file_is_refused(tmp_path):
    refused(tmp_path / "none", "No such file")
    refused(tmp_path, "not a regular file")
    os.mkfifo(tmp_path / "pipe")
    refused(tmp_path / "pipe", "not a regular file")


@pytest.mark.parametrize(
    ("codes", "width", "message"),
    [
        (np.zeros((2, 1, 1), int), 8, "do not fit"),
        (np.zeros((3, 1, 2), int), 8, "do not fit"),
        (np.full((3, 1, 1), 5), 8, "allowed: 0 to 4"),
    ],
)
def test_codes_that_do_not_fit_are_not_written(tmp_path, codes, width, message):
    with pytest.raises(ValueError, match=message), new_code_file(tmp_path / "file", header_of()) as writer:
        writer.add("a.png", codes, width, 8)
    assert os.listdir(tmp_path) == []


@contextmanager
def largest_file(size: int):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("count", [1, 100_000], ids=["at the end", "on the way"])
def test_a_file_that_cannot_grow_leaves_nothing_and_keeps_the_old_one(tmp_path, count):
    write(tmp_path / "file")
    before = (tmp_path / "file").read_bytes()

    def fill():
        with new_code_file(tmp_path / "file", header_of()) as writer:
            for i in range(count):
                writer.add(f"{i}.png", np.zeros((3, 1, 1), int), 8, 8)

    with largest_file(100), pytest.raises(ResourceError, match="file: cannot be written: File too large; free space"):
        fill()
    assert os.listdir(tmp_path) == ["file"]
    assert (tmp_path / "file").read_bytes() == before


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_disk_that_is_full_at_the_end_leaves_nothing(tmp_path, monkeypatch, call):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, call, full)
    with pytest.raises(ResourceError, match="file: cannot be written: No space left on device; free space"):
        write(tmp_path / "file")
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, DataError])
def test_an_interruption_leaves_nothing(tmp_path, error):
    def interrupted():
        with new_code_file(tmp_path / "deep/file", header_of()) as writer:
            writer.add("a.png", np.zeros((3, 1, 1), int), 8, 8)
            raise error

    with pytest.raises(error):
        interrupted()
    assert os.listdir(tmp_path / "deep") == []


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path):
    (tmp_path / "file").touch()
    with (
        pytest.raises(ResourceError, match=r"cannot be written: (File exists|Not a directory)"),
        new_code_file(tmp_path / "file/codes.pqc", header_of()),
    ):
        pass


def test_memory_does_not_grow_with_the_file(tmp_path):
    """Only the index is kept while writing."""
    codes = np.zeros((4, 128, 128), np.uint8)
    with new_code_file(tmp_path / "file", header_of(K=256, S=4)) as writer:
        tracemalloc.start()
        for i in range(200):
            writer.add(f"{i}.png", codes, 1024, 1024)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert (tmp_path / "file").stat().st_size > 13e6
    assert peak < 6e6
