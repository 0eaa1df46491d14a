"""Archives that are hostile or damaged although they have the sha256 expected: refused, with nothing left behind."""

import hashlib
import io
import os
import random
import stat
import tarfile
import zipfile

import pytest

from pqgan.data.archive import provide
from pqgan.errors import DataError, ResourceError


@pytest.fixture
def root(tmp_path):
    """A data root."""
    path = tmp_path / "raw"
    path.mkdir()
    return path


def tar(path, *members):
    """An archive of (name, kind, where a link leads)."""
    with tarfile.open(path, "w" if path.suffix == ".tar" else "w:gz") as file:
        for name, kind, link in members:
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, link
            file.addfile(info)
    return path


def packed(path, files):
    """An archive of any kind, of ordinary files: name -> content."""
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w") as file:
            for name, content in files.items():
                file.writestr(name, content)
        return path
    with tarfile.open(path, "w" if path.suffix == ".tar" else "w:gz") as file:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            info.mode = 0o4777
            file.addfile(info, io.BytesIO(content))
    return path


def unpack(path):
    provide(path, path.parent / "set", "", hashlib.sha256(path.read_bytes()).hexdigest())


def assert_nothing_made(root, path):
    assert sorted(root.iterdir()) == [path]
    assert os.listdir(root.parent) == [root.name], "nothing beside it either"


def test_files_get_modes_of_their_own(root):
    unpack(packed(root / "x.tar", {"a/b.txt": b"text", "c": b""}))
    assert (root / "set" / "a" / "b.txt").read_bytes() == b"text"
    mode = stat.S_IMODE((root / "set" / "a" / "b.txt").stat().st_mode)
    assert mode == 0o755, "nobody else writes, nobody becomes root"


HOSTILE = {
    "a climb": [("../evil", tarfile.REGTYPE, "")],
    "a climb within": [("a/../../evil", tarfile.REGTYPE, "")],
    "a symbolic link that leads out": [("l", tarfile.SYMTYPE, "/etc")],
    "a hard link that leads out": [("l", tarfile.LNKTYPE, "../evil")],
    "a way through a link": [("l", tarfile.SYMTYPE, ".."), ("l/evil", tarfile.REGTYPE, "")],
    "a pipe": [("p", tarfile.FIFOTYPE, "")],
    "a device": [("p", tarfile.CHRTYPE, "")],
}


@pytest.mark.parametrize("suffix", ["tar", "tgz"])
@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_members_have_the_whole_archive_refused(root, kind, suffix):
    path = tar(root / f"x.{suffix}", ("good.png", tarfile.REGTYPE, ""), *HOSTILE[kind])
    with pytest.raises(DataError, match=r"cannot be unpacked \(.+\); get it from its source again") as error:
        unpack(path)
    assert "\n" not in str(error.value)
    assert_nothing_made(root, path)


@pytest.mark.parametrize("name", ["/evil", "../evil", "a/../../evil"])
@pytest.mark.parametrize("suffix", ["tar", "zip"])
def test_names_never_lead_out(root, name, suffix):
    path = packed(root / f"x.{suffix}", {"good.png": b"pixels", name: b""})
    try:
        unpack(path)
    except DataError:
        assert_nothing_made(root, path)
    assert sorted(root.iterdir()) in ([path], [root / "set", path])
    assert os.listdir(root.parent) == [root.name]


DAMAGE = {
    "empty": lambda content: b"",
    "a page": lambda content: b"<!DOCTYPE html><html>404</html>" * 100,
    "a half": lambda content: content[: len(content) // 2],
}


@pytest.mark.parametrize("suffix", ["tgz", "zip"])
@pytest.mark.parametrize("damage", DAMAGE)
def test_damaged_archives(root, suffix, damage):
    path = packed(root / f"x.{suffix}", {f"{i}.bin": random.Random(i).randbytes(9000) for i in range(3)})
    path.write_bytes(DAMAGE[damage](path.read_bytes()))
    with pytest.raises(DataError, match=r"x\.\w+: cannot be unpacked \(.+\); get it from"):
        unpack(path)
    assert_nothing_made(root, path)


def test_a_disk_that_fills_up(root, monkeypatch):
    path = packed(root / "x.tgz", {"1.png": b"pixels"})

    def full(*_, **__):
        raise OSError(28, "No space left on device", str(root / ".set"))

    monkeypatch.setattr(tarfile, "copyfileobj", full)
    with pytest.raises(ResourceError, match="No space left on device; free space, or unpack"):
        unpack(path)
    assert_nothing_made(root, path)
