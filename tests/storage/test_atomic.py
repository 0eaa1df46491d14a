"""Files and folders appear whole or not at all."""

import os

import pytest

from pqgan.errors import ResourceError
from pqgan.storage.atomic import new_folder, write_text


def test_write_replaces_and_leaves_nothing_beside(tmp_path):
    write_text(tmp_path / "deep/file", "one")
    write_text(tmp_path / "deep/file", "two")
    assert (tmp_path / "deep/file").read_text() == "two"
    assert os.listdir(tmp_path / "deep") == ["file"]


def test_a_failed_write_keeps_the_old_file_and_says_what_to_do(tmp_path, monkeypatch):
    write_text(tmp_path / "file", "old")

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ResourceError, match=r"file: cannot be written: No space left on device; free space"):
        write_text(tmp_path / "file", "new")
    assert (tmp_path / "file").read_text() == "old"
    assert os.listdir(tmp_path) == ["file"]


def test_a_folder_takes_its_name_only_when_its_block_ends_well(tmp_path):

    def fail():
        with new_folder(tmp_path / "result") as folder:
            (folder / "half").write_text("x")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert os.listdir(tmp_path) == []
    for content in ("first", "second"):
        with new_folder(tmp_path / "result") as folder:
            (folder / content).write_text("x")
    assert os.listdir(tmp_path) == ["result"]
    assert os.listdir(tmp_path / "result") == ["second"]
