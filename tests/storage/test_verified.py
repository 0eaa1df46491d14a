"""Hashes are remembered for as long as the file is the same, and never stand in the way."""

import hashlib
import json
import os
import time

import pytest

from pqgan.storage import verified
from pqgan.storage.verified import verified_sha256


@pytest.fixture
def hashed(monkeypatch):
    """Paths that were really hashed, in a process that remembers nothing by itself."""
    paths = []
    monkeypatch.setattr(verified, "_known", {})
    monkeypatch.setattr(
        verified, "sha256", lambda path: paths.append(path) or hashlib.sha256(path.read_bytes()).hexdigest()
    )
    return paths


@pytest.fixture
def forget(monkeypatch):
    """The next call is that of another process."""
    return lambda: monkeypatch.setattr(verified, "_known", {})


def test_hashed_once_across_processes(tmp_path, hashed, forget):
    file, memory = tmp_path / "net.pth", tmp_path / "cache/verified.json"
    file.write_bytes(b"net")
    expected = hashlib.sha256(b"net").hexdigest()
    for _ in range(2):
        for _ in range(2):
            assert verified_sha256(file, memory) == expected
        forget()
    assert hashed == [file]


@pytest.mark.parametrize("keep_times", [False, True])
def test_changed_file_is_hashed_again_even_with_its_old_time_stamp(tmp_path, hashed, forget, keep_times):
    file, memory = tmp_path / "net.pth", tmp_path / "verified.json"
    file.write_bytes(b"net")
    verified_sha256(file, memory)
    before = file.stat()
    time.sleep(0.02)  # longer than a tick of the file system's clock
    file.write_bytes(b"ten")
    if keep_times:
        os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert verified_sha256(file, memory) == hashlib.sha256(b"ten").hexdigest()
    forget()
    assert verified_sha256(file, memory) == hashlib.sha256(b"ten").hexdigest()
    assert len(hashed) == 2


@pytest.mark.parametrize("content", ["", "{", "[]", '{"PATH": 3}', '{"PATH": [1, 2, 3]}', '{"PATH": []}', "\udcff"])
def test_damaged_memory_is_passed_over(tmp_path, hashed, content):
    file, memory = tmp_path / "net.pth", tmp_path / "verified.json"
    file.write_bytes(b"net")
    memory.write_bytes(content.replace("PATH", str(file)).encode(errors="surrogateescape"))
    assert verified_sha256(file, memory) == hashlib.sha256(b"net").hexdigest()
    assert str(file) in json.loads(memory.read_text())


def test_memory_that_cannot_be_written_costs_time_alone(tmp_path, hashed, forget):
    file = tmp_path / "net.pth"
    file.write_bytes(b"net")
    (tmp_path / "taken").write_text("")
    for _ in range(2):
        assert verified_sha256(file, tmp_path / "taken/verified.json") == hashlib.sha256(b"net").hexdigest()
        forget()
    assert len(hashed) == 2


def test_files_that_are_gone_are_forgotten(tmp_path, hashed):
    memory = tmp_path / "verified.json"
    for name in ("a", "b"):
        (tmp_path / name).write_bytes(name.encode())
        verified_sha256(tmp_path / name, memory)
    (tmp_path / "a").unlink()
    (tmp_path / "c").write_bytes(b"c")
    verified_sha256(tmp_path / "c", memory)
    assert set(json.loads(memory.read_text())) == {str(tmp_path / "b"), str(tmp_path / "c")}
