"""Downloads from a server that cuts, ignores, lies and changes its mind."""

import errno
import hashlib
import io
import os

import pytest

from pqgan.errors import DataError, ResourceError
from pqgan.weights import download as module
from pqgan.weights.download import Unreachable, download

CONTENT = bytes(range(256)) * 12_000  # 3 MB
DIGEST = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture(autouse=True)
def quick(monkeypatch, server):
    monkeypatch.setattr(module.time, "sleep", lambda seconds: None)
    server.content = CONTENT


def fetch(server, target):
    download(server.url, target, size=len(CONTENT), digest=DIGEST)


def files(folder):
    return {path.name: path.stat().st_size for path in folder.iterdir()}


def test_whole_file_and_nothing_else(server, tmp_path, capsys):
    target = tmp_path / "deep/er/net.pth"
    fetch(server, target)
    assert target.read_bytes() == CONTENT
    assert files(target.parent) == {"net.pth": len(CONTENT)}
    assert target.stat().st_mode & 0o777 == 0o644
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2
    assert lines[0] == f"net.pth: downloading 3.1 MB from {server.url}"
    assert lines[1].startswith("net.pth: 3.1 MB in ")


def test_cut_connections_are_resumed_where_they_broke(server, tmp_path):
    server.cuts = [1_000_000, 70_000, 1]
    fetch(server, tmp_path / "net.pth")
    assert (tmp_path / "net.pth").read_bytes() == CONTENT
    assert [asked.get("Range") for asked in server.asked] == [
        None,
        "bytes=1000000-",
        "bytes=1070000-",
        "bytes=1070001-",
    ]
    assert [asked.get("If-Range") for asked in server.asked] == [None, '"1"', '"1"', '"1"']


def test_part_of_an_earlier_download_is_gone_on_from(server, tmp_path):
    (tmp_path / "net.pth.part").write_bytes(CONTENT[:2_000_000])
    fetch(server, tmp_path / "net.pth")
    assert (tmp_path / "net.pth").read_bytes() == CONTENT
    assert [asked.get("Range") for asked in server.asked] == ["bytes=2000000-"]
    assert files(tmp_path) == {"net.pth": len(CONTENT)}


def test_part_is_gone_on_from_behind_a_redirection(server, tmp_path):
    (tmp_path / "net.pth.part").write_bytes(CONTENT[:2_000_000])
    moved = server.url.replace("net.pth", "moved")
    download(moved, tmp_path / "net.pth", size=len(CONTENT), digest=DIGEST)
    assert (tmp_path / "net.pth").read_bytes() == CONTENT
    assert [asked.get("Range") for asked in server.asked] == ["bytes=2000000-"]


def test_server_that_cannot_resume_sends_the_whole(server, tmp_path):
    server.ranges, server.cuts = False, [1_000_000, 1_500_000]
    (tmp_path / "net.pth.part").write_bytes(CONTENT[:2_000_000])
    fetch(server, tmp_path / "net.pth")
    assert (tmp_path / "net.pth").read_bytes() == CONTENT
    assert len(server.asked) == 3


def test_server_that_cannot_resume_and_is_always_cut_at_the_same_place_ends(server, tmp_path):
    server.ranges, server.cuts = False, [1_000_000] * 100
    with pytest.raises(Unreachable, match=r"^the connection was cut; 1\.0 MB are kept for the next time$"):
        fetch(server, tmp_path / "net.pth")
    assert len(server.asked) == 2 + module.RETRIES
    assert files(tmp_path) == {"net.pth.part": 1_000_000}


@pytest.mark.parametrize("length", [2_000_000, len(CONTENT), len(CONTENT) + 5])
def test_part_of_another_file_is_fetched_anew(server, tmp_path, length):
    (tmp_path / "net.pth.part").write_bytes(b"x" * length)
    fetch(server, tmp_path / "net.pth")
    assert (tmp_path / "net.pth").read_bytes() == CONTENT
    assert files(tmp_path) == {"net.pth": len(CONTENT)}


def test_file_that_changes_between_cut_and_resume_is_taken_whole(server, tmp_path):
    """The first answer is of an old version of the same length; If-Range makes the server send the new one whole."""
    old = b"o" * len(CONTENT)
    answers = [(old, '"old"'), (CONTENT, '"new"')]
    server.cuts = [1_000_000]

    class Changing(list):
        def append(self, asked):
            super().append(asked)
            server.content, server.headers["ETag"] = answers[min(len(self), 2) - 1]

    server.asked = Changing()
    fetch(server, tmp_path / "net.pth")
    assert (tmp_path / "net.pth").read_bytes() == CONTENT
    assert [asked.get("If-Range") for asked in server.asked] == [None, '"old"']


def test_wrong_hash_is_refused_with_both_and_not_kept(server, tmp_path):
    server.content = CONTENT[:-1] + b"!"
    found = hashlib.sha256(server.content).hexdigest()
    with pytest.raises(DataError) as caught:
        fetch(server, tmp_path / "net.pth")
    message = str(caught.value)
    for part in (server.url, f"sha256 is {found}", f"expected {DIGEST}", str(tmp_path / "net.pth")):
        assert part in message
    assert "\n" not in message
    assert files(tmp_path) == {}


def test_answer_of_another_length_is_refused_before_it_is_fetched(server, tmp_path):
    server.content = b"<html>log in first</html>"
    with pytest.raises(DataError, match=rf"sends 25 bytes of text/plain; expected {len(CONTENT)}"):
        fetch(server, tmp_path / "net.pth")
    assert files(tmp_path) == {}


def test_shorter_file_than_what_is_there_already_is_refused(server, tmp_path):
    server.content = CONTENT[:1000]
    (tmp_path / "net.pth.part").write_bytes(CONTENT[:2000])
    with pytest.raises(DataError, match=f"sends 1000 bytes.*expected {len(CONTENT)}"):
        fetch(server, tmp_path / "net.pth")


@pytest.mark.parametrize("code", [403, 404, 410])
def test_http_errors_are_named_and_not_retried(server, tmp_path, code):
    server.errors = [code] * 10
    with pytest.raises(Unreachable, match=f"^HTTP error {code} "):
        fetch(server, tmp_path / "net.pth")
    assert len(server.asked) == 1
    assert files(tmp_path) == {}


def test_busy_server_is_asked_again(server, tmp_path):
    server.errors = [503, 429, 500]
    fetch(server, tmp_path / "net.pth")
    assert (tmp_path / "net.pth").read_bytes() == CONTENT
    assert len(server.asked) == 4


def test_server_that_stays_busy_is_named(server, tmp_path):
    server.errors = [503] * 100
    with pytest.raises(Unreachable, match=r"^HTTP error 503"):
        fetch(server, tmp_path / "net.pth")


def test_no_server_is_said_at_once_and_the_part_is_kept(server, tmp_path):
    (tmp_path / "net.pth.part").write_bytes(CONTENT[:1000])
    with pytest.raises(Unreachable, match=r"Connection refused; 0\.0 MB are kept"):
        download("http://127.0.0.1:9/net.pth", tmp_path / "net.pth", size=len(CONTENT), digest=DIGEST)
    assert files(tmp_path) == {"net.pth.part": 1000}


def test_silent_server_is_given_up(server, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "TIMEOUT", 0.2)
    server.pause = 2
    with pytest.raises(Unreachable, match="timed out"):
        fetch(server, tmp_path / "net.pth")


def test_too_little_room_is_one_line_before_the_download(server, tmp_path, monkeypatch):
    usage = type("Usage", (), {"free": 1_000_000})
    monkeypatch.setattr(module.shutil, "disk_usage", lambda path: usage)
    with pytest.raises(ResourceError, match=r"3\.1 MB are missing and 1\.0 MB are free; free space"):
        fetch(server, tmp_path / "net.pth")
    assert server.asked == []


def test_disk_that_fills_up_is_one_line_and_the_part_is_kept(server, tmp_path, monkeypatch):
    room = [1]

    class Full:
        """A file on a disk with room for one block."""

        def __init__(self, file):
            self.file = file

        def __getattr__(self, name):
            return getattr(self.file, name)

        def write(self, block):
            if not room:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            room.pop()
            return self.file.write(block)

    plain = module._fetch
    monkeypatch.setattr(module, "_fetch", lambda url, file, *rest: plain(url, Full(file), *rest))
    with pytest.raises(ResourceError, match=r"net\.pth: cannot be written: No space left on device; free space"):
        fetch(server, tmp_path / "net.pth")
    assert 0 < files(tmp_path)["net.pth.part"] < len(CONTENT)
    monkeypatch.undo()
    fetch(server, tmp_path / "net.pth")
    assert (tmp_path / "net.pth").read_bytes() == CONTENT


def test_folder_that_cannot_be_made_is_one_line(server, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ResourceError, match="cannot be written: File exists; name another folder"):
        fetch(server, tmp_path / "file/net.pth")


def test_terminal_gets_a_bar(server, tmp_path, monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    screen = Terminal()
    monkeypatch.setattr("sys.stderr", screen)
    fetch(server, tmp_path / "net.pth")
    assert "100%" in screen.getvalue()
    assert "3.07M/3.07M" in screen.getvalue()


def test_target_that_another_has_brought_is_left_alone(server, tmp_path):
    (tmp_path / "net.pth").write_bytes(b"theirs")
    fetch(server, tmp_path / "net.pth")
    assert (tmp_path / "net.pth").read_bytes() == b"theirs"
    assert server.asked == []
    assert files(tmp_path) == {"net.pth": 6}


def test_file_system_without_locks_gets_a_part_for_each_process(server, tmp_path, monkeypatch):
    def refuse(file, operation):
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(module.fcntl, "flock", refuse)
    (tmp_path / "net.pth.part").write_bytes(b"of another process")
    fetch(server, tmp_path / "net.pth")
    assert (tmp_path / "net.pth").read_bytes() == CONTENT
    assert (tmp_path / "net.pth.part").read_bytes() == b"of another process"
