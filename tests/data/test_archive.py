import hashlib
import os
import shutil
import stat
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
from whole_plan import whole_plan

from pqgan.cli import main
from pqgan.data import archive as archives
from pqgan.data.archive import provide
from pqgan.data.prepared import PreparedSet
from pqgan.errors import DataError, SettingsError
from pqgan.settings import load

FORMATS = {"tar": "tar", "gztar": "tar.gz", "zip": "zip"}


@pytest.fixture
def photographs(tmp_path, noise):
    """A folder as data sets come: one folder that holds train and val, each with two classes of two images."""
    for part in ("train", "val"):
        for i, name in enumerate(("n1/0.png", "n1/1.png", "n2/0.png", "n2/1.png")):
            noise(tmp_path / "home" / "photos-160" / part / name, 16, 16, seed=i)
    return tmp_path / "home" / "photos-160"


@pytest.fixture
def packed(photographs, data_root):
    """Pack that folder, or what is in it, into an archive below the data root; the archive."""

    def pack(kind="gztar", outer=True, suffix=None):
        folder, inner = (photographs.parent, photographs.name) if outer else (photographs, ".")
        made = Path(shutil.make_archive(str(data_root / "photos"), kind, folder, inner))
        return made if suffix is None else made.rename(data_root / f"photos.{suffix}")

    return pack


def sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def contents(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(("kind", "suffix"), [*FORMATS.items(), ("gztar", "tgz")])
@pytest.mark.parametrize("outer", [True, False])
def test_all_of_it_below_the_folder_wanted(packed, photographs, data_root, kind, suffix, outer):
    path = packed(kind, outer, suffix)
    provide(path, data_root / "set", "train", sha256(path))
    assert contents(data_root / "set") == contents(photographs)
    assert sorted(os.listdir(data_root)) == [path.name, "set"]
    assert stat.S_IMODE((data_root / "set").stat().st_mode) == 0o755


def test_an_archive_without_the_folder_wanted(packed, data_root):
    path = packed()
    with pytest.raises(DataError, match=r"holds no folder test, but photos-160; correct path or archive of the set"):
        provide(path, data_root / "set", "test", sha256(path))
    assert os.listdir(data_root) == [path.name]


def test_an_empty_archive(data_root):
    tarfile.open(data_root / "empty.tar", "w").close()
    with pytest.raises(DataError, match=r"empty\.tar: holds no folder .*nothing; correct path or archive"):
        provide(data_root / "empty.tar", data_root / "set", "", sha256(data_root / "empty.tar"))
    assert os.listdir(data_root) == ["empty.tar"]


def test_another_archive_than_expected(packed, photographs, data_root):
    path = packed()
    found, expected = sha256(path), "0" * 64
    with pytest.raises(DataError, match=f"sha256 is {found}; the settings say {expected}; get it from its source"):
        provide(path, data_root / "set", "train", expected)
    assert os.listdir(data_root) == [path.name]
    provide(path, data_root / "set", "train", found)
    assert contents(data_root / "set") == contents(photographs)


def test_where_locks_do_not_work_the_first_to_finish_wins(packed, data_root, monkeypatch):
    path = packed()
    own = archives._unpack

    def no_locks(*_):
        raise OSError(38, "Function not implemented")

    def meanwhile(archive, folder):
        own(archive, folder)
        (data_root / "set" / "train").mkdir(parents=True)
        (data_root / "set" / "train" / "theirs").touch()

    monkeypatch.setattr("fcntl.flock", no_locks)
    monkeypatch.setattr(archives, "_unpack", meanwhile)
    provide(path, data_root / "set", "train", sha256(path))
    assert contents(data_root / "set") == {"train/theirs": b""}
    assert sorted(os.listdir(data_root)) == [path.name, "set"]


@pytest.fixture
def command(changed_params, tmp_path):
    """Arguments of prepare-data for a set with an archive."""

    def arguments(out="own", **keys):
        source = {"source": "folder", "path": "photos/train", "classes": True, "size": 16}
        source |= {"archive": "photos.tar.gz", "sha256": "0" * 64}
        params = changed_params("scales.smoke.data.sets.own", source | keys)
        return [
            *("prepare-data", "own", "--params", str(params), "--scale", "smoke"),
            *("--out", str(tmp_path / out / "own")),
        ]

    return arguments


def test_prepare_data_unpacks_once(packed, command, tmp_path, capsys):
    path = packed()
    digest = sha256(path)
    assert main(command(sha256=digest)) == 0
    assert "unpacking into" in capsys.readouterr().out
    prepared = PreparedSet(tmp_path / "own" / "own")
    assert [row["source"] for row in prepared.rows()] == ["n1/0.png", "n1/1.png", "n2/0.png", "n2/1.png"]
    assert prepared.classes == ["n1", "n2"]
    path.write_bytes(b"gone bad since, which no longer matters")
    assert main(command("again", sha256=digest, path="photos/val")) == 0
    assert "unpacking" not in capsys.readouterr().out


def test_prepare_data_refuses_in_one_line(packed, command, data_root, tmp_path, capsys):
    path = packed("tar", suffix="tar")
    with tarfile.open(path, "a") as file:
        file.addfile(tarfile.TarInfo("photos-160/../../evil"))
    assert main(command(archive="photos.tar", sha256=sha256(path))) == 3
    line = capsys.readouterr().err
    assert line.count("\n") == 1
    assert line.startswith(f"pqgan prepare-data: {data_root}/photos.tar: cannot be unpacked ('photos-160/../../evil'")
    assert os.listdir(data_root) == ["photos.tar"]
    assert not (tmp_path / "own").exists()


def test_two_commands_at_the_same_time(packed, photographs, command, noise, data_root, tmp_path):
    for i in range(200):  # so that the second comes while the first is at it
        noise(photographs / "val" / "n1" / f"more{i}.png", 64, 64, seed=i)
    digest = sha256(packed())
    shells = [[sys.executable, "-m", "pqgan.cli", *command(out, sha256=digest)] for out in ("one", "two")]
    both = [subprocess.Popen(shell, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for shell in shells]
    said = [process.communicate(timeout=60) for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    assert sorted(os.listdir(data_root)) == ["photos", "photos.tar.gz"]
    one, two = (PreparedSet(tmp_path / out / "own") for out in ("one", "two"))
    assert one.digest == two.digest
    assert len(one) == 4


@pytest.mark.parametrize("there", [False, True])
def test_neither_folder_nor_archive(packed, data_root, command, capsys, there):
    if there:  # unpacked before, but not from this archive
        packed()
        (data_root / "photos" / "val").mkdir(parents=True)
    assert main(command()) == 3
    line = capsys.readouterr().err
    assert f"{data_root}/photos/train: no such folder; put the images" in line
    assert f"the archive photos.tar.gz, which is unpacked where there is no {data_root}/photos, is in" in line


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"archive": "photos.rar"}, "archive"),
        ({"archive": None}, "sha256 is given alone; allowed: archive with its sha256"),
        ({"sha256": None}, "archive is given alone; allowed: archive with its sha256"),
        ({"sha256": "abc"}, "sha256"),
        ({"path": "/data/photos"}, "path is '/data/photos'; allowed beside archive"),
        ({"path": "../photos"}, "allowed beside archive"),
    ],
)
def test_settings_that_cannot_be_used(command, keys, said):
    with pytest.raises(SettingsError, match=said):
        load(command(**keys)[3], "smoke")


def test_an_address_depends_on_the_archive_where_there_is_one(changed_params):
    def job(**keys):
        source = {"source": "folder", "path": "a/b", "size": 16, **keys}
        return whole_plan(load(changed_params("scales.smoke.data.sets.own", source), "smoke")).job("data", "own")

    plain = job()
    assert not {"archive", "sha256"} & set(plain.spec["ImageFolder"])
    assert job(archive=None, sha256=None).digest == plain.digest
    one, two = (job(archive="a.tgz", sha256=digit * 64).digest for digit in "12")
    assert len({plain.digest, one, two}) == 3
