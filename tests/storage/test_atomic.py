"""Files and folders appear whole or not at all."""

import os
import stat
from pathlib import Path

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
        with new_folder(tmp_path / "result", lambda there: None) as folder:
            (folder / content).write_text("x")
    assert os.listdir(tmp_path) == ["result"]
    assert os.listdir(tmp_path / "result") == ["second"]


@pytest.fixture
def disk(monkeypatch):
    """What is brought onto the disk and what is renamed, in order."""
    events = []
    sync, replace = os.fsync, os.replace

    def note_sync(handle):
        events.append(("sync", os.stat(handle).st_ino))
        sync(handle)

    def note_replace(source, target):
        events.append(("rename", Path(target).name))
        replace(source, target)

    monkeypatch.setattr(os, "fsync", note_sync)
    monkeypatch.setattr(os, "replace", note_replace)
    return events


def inode(path: Path) -> int:
    return path.stat().st_ino


def test_every_file_and_folder_is_on_the_disk_before_the_rename_and_the_name_after(tmp_path, disk):
    result = tmp_path / "result"
    with new_folder(result) as folder:
        (folder / "deep").mkdir()
        (folder / "one").write_text("1")
        (folder / "deep/two").write_text("2")
        assert disk == []
    place = disk.index(("rename", "result"))
    before = {what for kind, what in disk[:place] if kind == "sync"}
    assert before == {inode(path) for path in (result, result / "one", result / "deep", result / "deep/two")}
    assert disk[place + 1 :] == [("sync", inode(tmp_path))]


def test_a_file_is_on_the_disk_before_the_rename_and_the_name_after(tmp_path, disk):
    write_text(tmp_path / "file", "content")
    assert disk == [("sync", inode(tmp_path / "file")), ("rename", "file"), ("sync", inode(tmp_path))]


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_folder_that_fails_at_the_end_leaves_nothing(tmp_path, monkeypatch, call):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, call, full)
    with pytest.raises(OSError, match="No space left"), new_folder(tmp_path / "result") as folder:
        (folder / "file").write_text("x")
    assert os.listdir(tmp_path) == []


def test_a_file_or_folder_can_be_read_by_others(tmp_path):
    write_text(tmp_path / "file", "x")
    with new_folder(tmp_path / "result"):
        pass
    assert [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("file", "result")] == [0o644, 0o755]


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_an_interruption_leaves_nothing_either(tmp_path, error):

    def interrupted():
        with new_folder(tmp_path / "result") as folder:
            (folder / "file").write_text("x")
            raise error

    with pytest.raises(error):
        interrupted()
    assert os.listdir(tmp_path) == []


def test_what_was_put_aside_for_a_folder_that_did_not_come_gets_its_name_back(tmp_path, monkeypatch):
    (tmp_path / "result").mkdir()
    (tmp_path / "result/old").touch()

    def fails(*_):
        raise ResourceError("no")

    monkeypatch.setattr("pqgan.storage.atomic._take_name", fails)
    with pytest.raises(ResourceError), new_folder(tmp_path / "result", lambda _: None) as folder:
        (folder / "new").touch()
    assert [path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*")] == ["result", "result/old"]
