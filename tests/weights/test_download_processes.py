"""Downloads of several processes at once, and of one that is killed."""

import hashlib
import subprocess
import sys
import threading
import time

import pytest

CONTENT = bytes(range(256)) * 12_000  # 3 MB
DIGEST = hashlib.sha256(CONTENT).hexdigest()

PROGRAM = """
import sys
from pathlib import Path
from pqgan.weights.download import download
download(sys.argv[1], Path(sys.argv[2]), size=int(sys.argv[3]), digest=sys.argv[4])
"""


@pytest.fixture
def start(server, tmp_path):
    """Start a process that downloads to net.pth."""
    server.content = CONTENT
    command = [sys.executable, "-c", PROGRAM, server.url, str(tmp_path / "net.pth"), str(len(CONTENT)), DIGEST]
    return lambda: subprocess.Popen(command, stderr=subprocess.PIPE, text=True)


def files(folder):
    return {path.name: path.stat().st_size for path in folder.iterdir()}


def test_processes_that_download_at_once_share_one_download(server, start, tmp_path):
    server.pause = 1.0
    processes = [start() for _ in range(3)]
    said = [process.communicate(timeout=60)[1] for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0], said
    assert (tmp_path / "net.pth").read_bytes() == CONTENT
    assert files(tmp_path) == {"net.pth": len(CONTENT)}
    assert len(server.asked) == 1
    assert sum("downloading 3.1 MB" in text for text in said) == 1


def test_killed_download_leaves_a_part_that_the_next_goes_on_from(server, start, tmp_path):
    server.cuts, server.gate = [1_500_000], threading.Event()
    process = start()
    deadline = time.monotonic() + 60
    while files(tmp_path).get("net.pth.part", 0) < 1_500_000 and time.monotonic() < deadline:
        time.sleep(0.05)
    process.kill()
    process.communicate()
    server.gate.set()
    assert files(tmp_path) == {"net.pth.part": 1_500_000}
    said = start().communicate(timeout=60)[1]
    assert "of which 1.5 MB are there" in said
    assert (tmp_path / "net.pth").read_bytes() == CONTENT
    assert server.asked[-1]["Range"] == "bytes=1500000-"


def test_process_goes_on_where_another_that_held_the_file_was_killed(server, start, tmp_path):
    server.cuts, server.gate = [1_500_000], threading.Event()
    first = start()
    deadline = time.monotonic() + 60
    while files(tmp_path).get("net.pth.part", 0) < 1_500_000 and time.monotonic() < deadline:
        time.sleep(0.05)
    second = start()
    assert "another process is downloading it; waiting" in second.stderr.readline()
    assert second.poll() is None
    first.kill()
    first.communicate()
    second.communicate(timeout=60)
    server.gate.set()
    assert second.returncode == 0
    assert (tmp_path / "net.pth").read_bytes() == CONTENT
    assert server.asked[-1]["Range"] == "bytes=1500000-"
