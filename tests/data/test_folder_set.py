"""A folder of any images as a set: which files it holds, what it makes of them, and what its digest covers."""

import hashlib
import json
import shutil

import numpy as np
import pytest
import torch
from PIL import Image

from pqgan.data import folder_set
from pqgan.data.batches import evaluation_batches
from pqgan.data.folder_set import FolderSet, side_of
from pqgan.data.pixels import read_rgb
from pqgan.data.sources import wheel_photographs
from pqgan.errors import DataError, ResourceError, SettingsError
from pqgan.storage.manifest import sha256


def save(path, width=24, height=20, seed=0):
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)


@pytest.fixture
def folder(tmp_path):
    """Five images in two folders, among other files."""
    root = tmp_path / "photos"
    for i, name in enumerate(["b.png", "a.JPG", "deep/c.webp", "deep/er/d.bmp", "deep/a.png"]):
        save(root / name, width=24 + i, seed=i)
    for name in ("notes.txt", ".hidden.png", "deep/table.csv"):
        (root / name).write_text("no image")
    return root


def digest(folder, size=16, geometry="crop", limit=None):
    return FolderSet(folder, size, geometry, limit).check().digest


def test_images_come_in_order_of_path_and_the_rest_is_counted(folder):
    images = FolderSet(folder, 16, "crop")
    assert images.names == ["a.JPG", "b.png", "deep/a.png", "deep/c.webp", "deep/er/d.bmp"]
    assert (len(images), images.found, images.others, images.size, images.name) == (5, 5, 3, 16, "photos")
    assert [images.label(i) for i in range(5)] == [-1] * 5
    assert {images.caption(i) for i in range(5)} == {""}


@pytest.mark.parametrize("geometry", ["crop", "squash"])
@pytest.mark.parametrize("workers", [0, 2])
def test_batches_hold_each_file_cut_from_its_centre(folder, geometry, workers):
    images = FolderSet(folder, 16, geometry)
    batches = list(evaluation_batches(images, batch=3, geometry=geometry, workers=workers))
    assert [len(batch.images) for batch in batches] == [3, 2]
    found = torch.cat([batch.images for batch in batches])  # (5, 3, 16, 16)
    for name, pixels in zip(images.names, found, strict=True):
        image = read_rgb(folder / name)
        width = 16 if geometry == "squash" else max(16, round(image.width * 16 / image.height))
        resized = np.asarray(image.resize((width, 16), Image.Resampling.LANCZOS))
        left = (width - 16) // 2
        expected = torch.from_numpy(resized[:, left : left + 16].copy()).permute(2, 0, 1) / 127.5 - 1
        assert torch.allclose(pixels, expected, atol=1e-6), name


@pytest.mark.parametrize(
    ("limit", "expected"),
    [(1, [0]), (2, [0, 2]), (4, [0, 1, 2, 3]), (5, [0, 1, 2, 3, 4]), (99, [0, 1, 2, 3, 4]), (None, [0, 1, 2, 3, 4])],
)
def test_a_limit_is_spread_over_the_folder(folder, limit, expected):
    whole, part = FolderSet(folder, 16, "crop"), FolderSet(folder, 16, "crop", limit)
    assert part.names == [whole.names[i] for i in expected]
    assert part.found == 5


def test_digest_is_that_of_content_wherever_it_lies(folder, tmp_path):
    before = digest(folder)
    shutil.copytree(folder, tmp_path / "copy" / "elsewhere")
    (folder / "notes.txt").write_text("other words")
    assert digest(folder) == digest(tmp_path / "copy" / "elsewhere") == before
    assert len({before, digest(folder, size=8), digest(folder, geometry="squash"), digest(folder, limit=4)}) == 4


@pytest.mark.parametrize(
    "change",
    [
        lambda folder: (folder / "b.png").rename(folder / "z.png"),
        lambda folder: save(folder / "b.png", width=25, seed=77),
        lambda folder: (folder / "b.png").unlink(),
        lambda folder: save(folder / "new.png"),
    ],
)
def test_digest_changes_with_any_image(folder, change):
    before = digest(folder)
    change(folder)
    assert digest(folder) != before


def test_copies_are_counted(folder):
    assert FolderSet(folder, 16, "crop").check().copies == 0
    for name in ("x.png", "y.png"):
        shutil.copy(folder / "b.png", folder / name)
    assert FolderSet(folder, 16, "crop").check().copies == 2


def test_every_bad_image_is_found_before_any_is_used(folder):
    for i in range(14):
        (folder / f"bad{i:02}.png").write_bytes((folder / "b.png").read_bytes()[:50])
    with pytest.raises(DataError) as caught:
        FolderSet(folder, 16, "crop").check()
    message = str(caught.value)
    assert "\n" not in message
    assert "photos: 14 of 19 images cannot be read; replace or remove them: bad00.png (" in message
    assert message.count(".png (") == 12
    assert message.endswith("and 2 more")


def test_more_files_than_wait_at_a_time(folder, monkeypatch):
    before = digest(folder)
    monkeypatch.setattr(folder_set, "WAITING", 2)
    assert digest(folder) == before


@pytest.mark.parametrize("workers", [0, 1])
def test_a_file_that_is_spoiled_meanwhile_is_one_line(folder, workers):
    images = FolderSet(folder, 16, "crop")
    images.check()
    (folder / "deep/c.webp").unlink()
    with pytest.raises(DataError) as caught:
        list(evaluation_batches(images, batch=2, geometry="crop", workers=workers))
    assert str(caught.value) == f"{folder}: deep/c.webp (No such file or directory); replace or remove it"


def test_too_thin_to_enlarge_is_a_bad_image(tmp_path):
    Image.new("L", (1, 60_000)).save(tmp_path / "thin.png")
    with pytest.raises(DataError, match=r"1 of 1 images cannot be read.* thin.png \(too thin: 1x60000 px and 256x1536"):
        FolderSet(tmp_path, 256, "crop").check()


def test_too_little_memory_is_not_a_bad_image(folder, monkeypatch):
    def allocate(*_):
        raise MemoryError

    monkeypatch.setattr(folder_set, "decode", allocate)
    with pytest.raises(ResourceError, match=r"photos: out of memory with a\.JPG"):
        FolderSet(folder, 16, "crop").check()


def test_side_of_squares_of_one_size(tmp_path):
    for i in range(3):
        save(tmp_path / f"{i}.png", 20, 20, seed=i)
    assert side_of(tmp_path) == 20
    (tmp_path / "bad.png").write_text("<html>")
    assert side_of(tmp_path) == 20, "which one is bad is said when all are read"


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ([(20, 16)], "has images of 20x16 px; say the side"),
        ([(20, 20), (20, 20), (16, 16)], "has images of 2 sizes, most often 20x20 px; say the side"),
    ],
)
def test_side_of_other_images_has_to_be_said(tmp_path, sizes, message):
    for i, size in enumerate(sizes):
        save(tmp_path / f"{i}.png", *size)
    with pytest.raises(SettingsError, match=message):
        side_of(tmp_path)


def test_converted_colours_make_another_content(tmp_path):
    with Image.open(wheel_photographs()["rocket"]) as rocket:
        adobe = rocket.info["icc_profile"]
    save(tmp_path / "plain.png", 16, 16)
    with Image.open(tmp_path / "plain.png") as plain:
        plain.save(tmp_path / "adobe.png", icc_profile=adobe)
        plain.save(tmp_path / "damaged.png", icc_profile=b"no profile")
    images = FolderSet(tmp_path, 16, "crop")
    content = images.check()
    assert (content.converted, content.profiles_ignored) == (1, 1)
    adobe, damaged, plain = (images.image(i) for i in range(3))
    assert np.array_equal(damaged, plain)
    assert not np.array_equal(adobe, plain)
    unmanaged = hashlib.sha256(
        json.dumps([16, "crop", *((name, sha256(tmp_path / name)) for name in images.names)]).encode()
    )
    assert content.digest != unmanaged.hexdigest(), "features of the colours as stored are not those of these"
