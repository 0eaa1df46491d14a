"""Code files whose checksum is right and whose content is not."""

import hashlib
import json
import os
import struct
from collections.abc import Sequence

import numpy as np
import pytest

from pqgan.errors import DataError
from pqgan.quantise.code_format import LONGEST_LINE, MAGIC, Header
from pqgan.quantise.codes import CodeFile, new_code_file
from pqgan.quantise.packing import pack

HEADER = {"F": 8, "K": 5, "S": 3, "bits": 3, "d": 6, "model": "PQModel", "network": "ab" * 32}
OLD = {key: value for key, value in HEADER.items() if key != "network"} | {"weights": {"w": "ab" * 32}}
"""Of format 1."""
ENTRY = {"h": 1, "height": 8, "name": "a.png", "w": 1, "width": 8}
PAYLOAD = pack(np.array([1, 2, 3]), 5)


def forged(
    header: dict | bytes = HEADER,
    payload: bytes = PAYLOAD,
    index: Sequence[dict] | bytes = (ENTRY,),
    version: int = 2,
) -> bytes:
    """A file whose checksum is right, whatever it says."""
    header = header if isinstance(header, bytes) else json.dumps(header).encode()
    index = index if isinstance(index, bytes) else b"".join(json.dumps(line).encode() + b"\n" for line in index)
    content = (
        MAGIC + struct.pack("<II", version, len(header)) + header + payload + index + struct.pack("<Q", len(index))
    )
    return content + hashlib.sha256(content).digest()


def refused(path, message):
    with pytest.raises(DataError, match=message) as caught:
        CodeFile(path)
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("parts", [{}, {"header": OLD, "version": 1}], ids=["new", "old"])
def test_a_forgery_that_says_the_truth_is_read(tmp_path, parts):
    (tmp_path / "file").write_bytes(forged(**parts))
    with CodeFile(tmp_path / "file") as file:
        assert file.codes(0).tolist() == [[[1]], [[2]], [[3]]]


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"header": b""}, "Invalid JSON"),
        ({"header": b"[" * 100_000}, "Invalid JSON"),
        ({"header": b"[1]"}, "valid dictionary|object"),
        ({"header": HEADER | {"K": 1}}, "K: Input should be greater than or equal to 2"),
        ({"header": HEADER | {"K": 2**24 + 1}}, "K: Input should be less than or equal to 16777216"),
        ({"header": HEADER | {"K": "5"}}, "K: Input should be a valid integer"),
        ({"header": HEADER | {"S": 0}}, "S: Input"),
        ({"header": HEADER | {"S": 10**30}}, "S: Input"),
        ({"header": HEADER | {"S": 4}}, "S=4 does not divide d=6"),
        ({"header": HEADER | {"bits": 4}}, "bits is 4; K=5 takes 3"),
        ({"header": HEADER | {"F": 4}}, "8x8 px as 1x1 codes"),
        ({"header": HEADER | {"F": True}}, "F: Input should be a valid integer"),
        ({"header": HEADER | {"more": 1}}, "more: Extra inputs"),
        ({"header": HEADER | OLD}, "either network or weights"),
        ({"header": HEADER | {"network": ""}}, "either network or weights"),
        ({"header": OLD | {"weights": {}}, "version": 1}, "either network or weights"),
        ({"payload": PAYLOAD + b"\0"}, "codes of 3 bytes; by the index 2"),
        ({"payload": b""}, "codes of 0 bytes; by the index 2"),
        ({"index": []}, "codes of 2 bytes; by the index 0"),
        ({"index": b"{}\n"}, "h: Field required"),
        ({"index": b"\n"}, "Invalid JSON"),
        ({"index": json.dumps(ENTRY).encode()}, "not of lines"),
        ({"index": b" " * (LONGEST_LINE + 1) + b"\n"}, "not of lines"),
        ({"index": [ENTRY | {"h": 2**30, "w": 2**30}]}, "8x8 px as 1073741824x1073741824"),
        ({"index": [{**ENTRY, "h": 2**27, "w": 2**27, "height": 2**30, "width": 2**30}]}, "codes of 2 bytes; by the"),
        ({"index": [ENTRY | {"width": 9}]}, "9x8 px as 1x1 codes"),
        ({"index": [ENTRY | {"height": 0}]}, "height: Input"),
        ({"index": [ENTRY | {"height": 8.5}]}, "height: Input"),
        ({"index": [ENTRY, ENTRY], "payload": 2 * PAYLOAD}, "a name that repeats"),
        ({"index": [ENTRY, ENTRY | {"name": "a.png/b"}], "payload": 2 * PAYLOAD}, "or that of a folder"),
        ({"index": [ENTRY | {"name": "a.png/b"}, ENTRY], "payload": 2 * PAYLOAD}, "or that of a folder"),
    ],
)
def test_a_forgery_that_does_not_fit_together_is_refused(tmp_path, parts, message):
    (tmp_path / "file").write_bytes(forged(**parts))
    refused(tmp_path / "file", message)


@pytest.mark.parametrize(
    "name",
    ["/etc/passwd", "../a", "a/../../b", "..", ".", "", "./a", "a//b", "a/", "a\\..\\b", "a\0b", "x" * 5000],
)
def test_names_that_lead_elsewhere_are_refused_both_ways(tmp_path, name):
    (tmp_path / "file").write_bytes(forged(index=[ENTRY | {"name": name}]))
    refused(tmp_path / "file", "name")
    (tmp_path / "file").unlink()
    with (
        pytest.raises(DataError, match="rename it"),
        new_code_file(tmp_path / "file", Header(**HEADER)) as writer,
    ):
        writer.add(name, np.zeros((3, 1, 1), int), 8, 8)
    assert os.listdir(tmp_path) == []


def test_a_forged_index_length_is_refused(tmp_path):
    content = forged()[:-40] + struct.pack("<Q", 2**63)
    (tmp_path / "file").write_bytes(content + hashlib.sha256(content).digest())
    refused(tmp_path / "file", "with an index of 9223372036854775808")


def test_a_code_outside_its_codebook_is_refused_when_it_is_read(tmp_path):
    (tmp_path / "file").write_bytes(forged(payload=b"\xff\xff"))
    with CodeFile(tmp_path / "file") as file, pytest.raises(DataError, match=r"'a.png': code 7 at .*; allowed: 0 to 4"):
        file.codes(0)
