import csv
import hashlib
import io
import json
import os
import signal
import subprocess
import sys
import time
import zipfile
from contextlib import suppress

import numpy as np
import pytest
from PIL import Image
from whole_plan import whole_plan

from pqgan.data import prepare, prepared
from pqgan.data.pixels import Decoded
from pqgan.data.prepared import PreparedSet
from pqgan.data.sources import Row, open_images
from pqgan.errors import DataError, ResourceError
from pqgan.settings.data import ImageFolder


def files(folder):
    own = ("provenance.json", "SHA256SUMS")  # which say when and where
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name not in own}


def folder_images(path="set", size=16):
    return open_images(ImageFolder(source="folder", path=path, size=size), geometry="crop", seed=0)


def with_folder(settings, **hardware):
    """The settings with one set, `own`, a folder."""
    source = ImageFolder(source="folder", path="set", size=16)
    data = settings.scale.data.model_copy(update={"sets": {**settings.scale.data.sets, "own": source}})
    machine = settings.scale.hardware.model_copy(update=hardware)
    return settings.model_copy(update={"scale": settings.scale.model_copy(update={"data": data, "hardware": machine})})


def test_run_twice_gives_the_same_bytes(smoke, tmp_path):
    job = whole_plan(smoke).job("data", "val")
    for out in ("one", "two"):
        prepare.run(smoke, job, out=tmp_path / out)
    assert files(tmp_path / "one") == files(tmp_path / "two")
    assert set(files(tmp_path / "one")) == {"manifest.json", "index.csv", "images-00000.zip"}
    provenance = json.loads((tmp_path / "one" / "provenance.json").read_text())
    assert provenance["job"]["digest"] == job.digest


def test_an_independent_reader_finds_what_the_files_say(smoke, smoke_sets):
    folder = smoke_sets["val"].folder
    manifest = json.loads((folder / "manifest.json").read_text())
    with open(folder / "index.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert manifest["schema_version"] == 1
    assert (manifest["name"], manifest["size"], manifest["n"]) == ("val", 64, 48)
    assert manifest["classes"] == ["astronaut", "flower"]
    for name, expected in manifest["files"].items():
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == expected
    assert list(rows[0]) == ["key", "shard", "width", "height", "label", "caption", "source", "sha256"]
    assert len(rows) == 48
    with zipfile.ZipFile(folder / "images-00000.zip") as archive:
        assert archive.namelist() == [f"{row['key']}.png" for row in rows]
        assert all(info.compress_type == zipfile.ZIP_STORED for info in archive.infolist())
        assert {info.date_time for info in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        for row in rows:
            with Image.open(io.BytesIO(archive.read(f"{row['key']}.png"))) as image:
                assert image.format == "PNG"
                assert image.size == (int(row["width"]), int(row["height"])) == (64, 64)
                assert hashlib.sha256(np.asarray(image).tobytes()).hexdigest() == row["sha256"]
    captions = smoke.scale.data.sets["val"].photos
    assert all(row["caption"] == captions[row["source"]] for row in rows)
    assert all(manifest["classes"][int(row["label"])] == row["source"] for row in rows)


def test_smoke_sets_hold_what_they_promise(smoke, smoke_sets):
    assert len(smoke_sets["train"]) >= 200
    assert len(smoke_sets["val"]) >= 48
    rows = {name: list(one.rows()) for name, one in smoke_sets.items()}
    for name, one in smoke_sets.items():
        assert len({row["sha256"] for row in rows[name]}) == len(one), f"{name}: two crops are alike"
        assert all(one.image(i).shape == (one.size, one.size, 3) for i in range(len(one)))
    for left, right in smoke.scale.data.disjoint:
        assert not {row["source"] for row in rows[left]} & {row["source"] for row in rows[right]}
        assert not {row["sha256"] for row in rows[left]} & {row["sha256"] for row in rows[right]}


def test_the_digest_is_of_the_content_not_of_the_packing(folder_set, tmp_path, data_root):
    def digest(name, size=16, **keys):
        (tmp_path / name).mkdir()
        source = ImageFolder(source="folder", path="mixed", size=size, **keys)
        images = open_images(source, geometry="crop", seed=0)
        return prepare.write_set(images, tmp_path / name, name=name, size=size).digest

    assert digest("other-name", classes=True) == folder_set.digest
    assert len({folder_set.digest, digest("no-classes"), digest("smaller", 12, classes=True)}) == 3
    repacked = data_root / "mixed" / "class0" / "0.png"
    with Image.open(repacked) as image:
        image.load()
    before = repacked.read_bytes()
    image.save(repacked, compress_level=0)
    assert repacked.read_bytes() != before
    assert digest("repacked", classes=True) == folder_set.digest


def test_shards_are_cut_and_processes_do_not_matter(data_root, noise, tmp_path, monkeypatch):
    originals = [noise(data_root / "set" / f"{i:02d}.png", 16, 16, seed=i) for i in range(23)]
    for module in (prepare, prepared):
        monkeypatch.setattr(module, "SHARD_IMAGES", 5)
    written = []
    for processes in (1, 2):
        out = tmp_path / str(processes)
        out.mkdir()
        manifest = prepare.write_set(folder_images(), out, name="set", size=16, processes=processes)
        written.append(files(out))
    assert written[0] == written[1]
    assert list(manifest.files) == ["index.csv", *(f"images-{i:05d}.zip" for i in range(5))]
    one = PreparedSet(out)
    one.verify()
    for i in (22, 0, 4, 5, 19):
        assert np.array_equal(one.image(i), originals[i])


def test_all_unreadable_images_are_named_and_nothing_is_published(smoke, data_root, noise, tmp_path):
    for i in range(6):
        noise(data_root / "set" / f"{i}.png", 32, 32, seed=i)
    (data_root / "set" / "1.png").write_bytes(b"no image")
    (data_root / "set" / "4.png").write_bytes((data_root / "set" / "5.png").read_bytes()[:900])
    settings = with_folder(smoke)
    for cpus in (1, 2):
        with pytest.raises(DataError) as error:
            prepare.run(
                with_folder(smoke, cpus=cpus), whole_plan(settings).job("data", "own"), out=tmp_path / "out" / "own"
            )
        message = str(error.value)
        assert "2 of 6 images cannot be read" in message
        assert "1.png (not an image" in message
        assert "4.png (" in message
        assert "\n" not in message
        assert not list((tmp_path / "out").iterdir())


def test_files_left_out_are_reported(smoke, data_root, noise, tmp_path, capsys):
    noise(data_root / "set" / "1.png", 16, 16)
    (data_root / "set" / "notes.txt").write_text("")
    settings = with_folder(smoke)
    prepare.run(settings, whole_plan(settings).job("data", "own"), out=tmp_path / "own")
    assert "1 images of 16 px" in capsys.readouterr().out.replace("own: ", "")
    prepare.run(settings, whole_plan(settings).job("data", "own"), out=tmp_path / "own")
    assert "1 other files left out" in capsys.readouterr().out


class Killer:
    """A set whose third image kills the process that reads it."""

    classes: list = []  # noqa: RUF012
    ignored = 0

    def __len__(self):
        return 6

    def decoded(self, index):
        if index == 2:
            os._exit(9)
        return Decoded(Image.new("RGB", (8, 8)), None)

    def row(self, index):
        raise AssertionError("not reached for a lost image") if index > 1 else None


def test_a_killed_process_is_a_resource_error():
    with pytest.raises(ResourceError, match=r"hardware\.mem_mb: a process that reads images was killed"):
        list(prepare.encoded(Killer(), processes=2))


SLOW = """
import multiprocessing, threading, time
from PIL import Image
from pqgan.data.pixels import Decoded
from pqgan.data.prepare import encoded

class Slow:
    def __len__(self):
        return 100
    def decoded(self, index):
        time.sleep(3600 if index else 0)
        return Decoded(Image.new("RGB", (8, 8)), None)

for _ in encoded(Slow(), processes=2):
    print(*(child.pid for child in multiprocessing.active_children()), flush=True)
"""


def test_processes_end_with_a_killed_command():
    one = subprocess.Popen([sys.executable, "-c", SLOW], stdout=subprocess.PIPE, text=True, start_new_session=True)
    try:
        processes = [int(pid) for pid in one.stdout.readline().split()]
        assert len(processes) == 2
        one.kill()
        one.wait()
        deadline = time.monotonic() + 5
        while any(os.path.exists(f"/proc/{pid}/exe") for pid in processes):
            assert time.monotonic() < deadline, "processes are left"
            time.sleep(0.05)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(one.pid, signal.SIGKILL)
        one.communicate()


@pytest.mark.parametrize("processes", [1, 2])
def test_too_little_memory_names_the_image(processes):
    class Large(Killer):
        def decoded(self, index):
            raise MemoryError

        def row(self, index):
            return Row(f"{index}.png", 0, "")

    with pytest.raises(ResourceError, match=r"hardware\.mem_mb: out of memory with 0\.png; give the job more"):
        list(prepare.encoded(Large(), processes))


def test_images_are_streamed():
    taken = []

    class Counting(Killer):
        def decoded(self, index):
            taken.append(index)
            return Decoded(Image.new("RGB", (8, 8)), None)

    stream = prepare.encoded(Counting(), processes=1)
    next(stream)
    assert taken == [0]


def test_a_full_disk_is_a_resource_error(smoke, tmp_path, monkeypatch):
    def full(self, png):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(prepare.ShardWriter, "add", full)
    with pytest.raises(ResourceError, match="No space left on device; free space"):
        prepare.run(smoke, whole_plan(smoke).job("data", "val"), out=tmp_path / "val")
    assert not list(tmp_path.iterdir())
