"""JSON and text files: whatever lies in their place ends in one line, at once."""

import json
import os

import pytest
from pydantic import BaseModel

from pqgan.errors import DataError
from pqgan.storage import json_files
from pqgan.storage.json_files import read_json, read_model, read_object, read_text


class Named(BaseModel):
    name: str
    n: int = 1


def folder(path):
    path.mkdir()


BAD = {
    "missing": (lambda path: None, "no such file"),
    "folder": (folder, "a folder"),
    "pipe": (os.mkfifo, "no regular file"),
    "device": (lambda path: path.symlink_to("/dev/zero"), "no regular file"),
    "endless link": (lambda path: path.symlink_to(path.name), "cannot be read: Too many levels of symbolic links"),
    "empty": (b"", "not JSON"),
    "bytes": (bytes(range(128, 256)), "not UTF-8 text"),
    "no JSON": (b"<html>\n</html>", "not JSON"),
    "deep": (b"[" * 200_000, "nested more than 64 deep"),
    "deep and closed": (b"[" * 900 + b"]" * 900, "nested more than 64 deep"),
    "long number": (b"9" * 5000, "not JSON"),
    "lone surrogate": (rb'{"name": "\ud800"}', "text that is not Unicode"),
    "list": (b"[]", "holds a list, no JSON object"),
}


@pytest.mark.parametrize("name", BAD)
@pytest.mark.parametrize("read", [read_object, lambda path, words: read_model(path, Named, words)], ids=["", "model"])
def test_what_is_no_object_is_one_line(tmp_path, name, read):
    spoil, message = BAD[name]
    path = tmp_path / "file.json"
    spoil(path) if callable(spoil) else path.write_bytes(spoil)
    with pytest.raises(DataError) as caught:
        read(path, "a name; make it again")
    said = str(caught.value)
    assert said.startswith(f"{path}: ")
    assert said.endswith("; expected a name; make it again")
    assert "\n" not in said
    if read is read_object:
        assert message in said


def test_a_file_that_is_too_large_is_not_read_whole(tmp_path, monkeypatch):
    monkeypatch.setattr(json_files.read_bytes, "__defaults__", (10,))
    (tmp_path / "file.json").write_text('{"name": "x"}')
    with pytest.raises(DataError, match=r"larger than 10 bytes"):
        read_object(tmp_path / "file.json", "a name")


def test_what_is_whole_is_read_with_its_line_ends(tmp_path):
    path = tmp_path / "file.json"
    inner = {"a": [1.5, None, True, "ü"], "b": {}}
    for _ in range(60):
        inner = {"in": inner}
    path.write_text(json.dumps(inner))
    assert read_json(path, "") == inner
    path.write_bytes(b'{"name": "a", \r\n "n": 3}')
    assert read_model(path, Named, "") == Named(name="a", n=3)
    assert "\r\n" in read_text(path, "")


def test_a_value_that_a_model_does_not_allow_is_named_whatever_it_is(tmp_path):
    path = tmp_path / "file.json"
    path.write_text('{"name": "a", "n": "x"}')
    with pytest.raises(DataError, match=r"file\.json: n: Input should be a valid integer.*; expected a name"):
        read_model(path, Named, "a name")

    class Strict(Named, extra="forbid"):
        pass

    path.write_text(json.dumps({"name": "a", "\n\x1b[31m" + "x" * 5000: 1}))
    with pytest.raises(DataError) as caught:
        read_model(path, Strict, "a name")
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 400
