import subprocess
import sys
from collections import Counter

import numpy as np
import pytest
from PIL import Image

from pqgan.data.sources import DATA_DIR, WheelCrops, open_images, wheel_photographs
from pqgan.errors import DataError, SettingsError
from pqgan.settings.data import CaptionTable, ImageFolder, WheelPhotos

FLOWER = {"flower": "a flower"}


def crops(photos=FLOWER, crops=6, size=64, zoom=(1.5, 4.0), seed=0):
    source = WheelPhotos(source="wheel_photos", photos=photos, crops=crops, size=size, zoom=zoom)
    return open_images(source, geometry="crop", seed=seed)


def folder(path="set", size=8, geometry="crop", **keys):
    return open_images(ImageFolder(source="folder", path=path, size=size, **keys), geometry=geometry, seed=0)


def pixels(images, index):
    return np.asarray(images.decoded(index).image)


def test_start_up_imports_nothing_heavy():
    code = (
        "import sys, pqgan.data.prepare, pqgan.data.sources as s; s.wheel_photographs();"
        "print([m for m in ('torch', 'skimage', 'sklearn', 'pandas', 'scipy') if m in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_wheel_photographs_are_the_ones_the_libraries_load():
    from skimage.data import coffee
    from sklearn.datasets import load_sample_image

    found = wheel_photographs()
    assert np.array_equal(np.asarray(Image.open(found["coffee"])), coffee())
    assert np.array_equal(np.asarray(Image.open(found["china"])), load_sample_image("china.jpg"))


def test_a_crop_at_zoom_one_is_a_piece_of_the_photograph():
    whole = np.asarray(Image.open(wheel_photographs()["flower"]))
    windows = np.lib.stride_tricks.sliding_window_view(whole, (32, 32, 3))[:, :, 0]
    piece = pixels(crops(size=32, zoom=(1.0, 1.0)), 3)
    starts = np.argwhere((windows[..., 0, 0, :] == piece[0, 0]).all(-1))
    assert any(np.array_equal(windows[top, left], piece) for top, left in starts)


def test_crops_are_shared_evenly_in_turn():
    images = crops({"coffee": "a cup", "brick": "a wall", "retina": "an eye"}, crops=8)
    rows = [images.row(i) for i in range(8)]
    assert [row.source for row in rows] == ["coffee", "brick", "retina"] * 2 + ["coffee", "brick"]
    assert [row.label for row in rows] == [0, 1, 2, 0, 1, 2, 0, 1]
    assert rows[4].caption == "a wall"
    assert images.classes == ["coffee", "brick", "retina"]


def test_greyscale_photographs_become_rgb():
    brick = crops({"brick": "a wall"})
    assert all(brick.decoded(i).image.mode == "RGB" and brick.decoded(i).image.size == (64, 64) for i in range(6))


def test_a_crop_is_a_function_of_seed_and_index():
    few, many, other = crops(crops=4), crops(crops=9), crops(crops=4, seed=1)
    assert all(np.array_equal(pixels(few, i), pixels(many, i)) for i in range(4))
    assert not any(np.array_equal(pixels(few, i), pixels(other, i)) for i in range(4))


def test_sides_fill_the_zoom_range_within_the_photograph():
    images = crops(crops=300, zoom=(2.0, 10.0))  # 640 px asked of a photograph 427 px high
    sides = [right - left for left, top, right, bottom in images._boxes]
    assert all(right - left == bottom - top for left, top, right, bottom in images._boxes)
    assert min(sides) >= 128
    assert max(sides) <= 427
    # uniform: a quarter of them in each quarter
    quarters = Counter(min(3, int((side - 128) / (427 - 128) * 4)) for side in sides)
    assert all(50 < quarters[quarter] < 100 for quarter in range(4))


def test_no_two_crops_alike_even_where_the_photograph_is_blank():
    # most of this picture is plain white
    images = crops({"page": "text", "logo": "a logo"}, crops=60, size=8, zoom=(1.0, 2.0))
    assert len({pixels(images, i).tobytes() for i in range(60)}) == 60


def test_more_crops_than_a_photograph_holds():
    with pytest.raises(SettingsError, match=r"crops: got 60, .*phantom repeats .* allowed: fewer crops"):
        crops({"phantom": "a phantom"}, crops=60, size=400, zoom=(1.0, 1.0))


def test_missing_photographs_name_those_that_exist():
    with pytest.raises(SettingsError) as error:
        crops({"coffee": "", "lena": "", "mandrill": ""})
    assert str(error.value).startswith("photos: got lena, mandrill,")
    assert "astronaut" in str(error.value)
    assert "china" in str(error.value)
    assert "\n" not in str(error.value)


def test_zoom_that_cannot_be_cut():
    with pytest.raises(SettingsError, match=r"zoom: got .* flower \(640x427 px\); allowed"):
        crops(zoom=(7.0, 8.0))


def test_fewer_crops_than_photographs():
    with pytest.raises(SettingsError, match=r"crops: got 1; allowed: at least one for each of 2"):
        crops({"coffee": "", "brick": ""}, crops=1)


def test_folder_sorted_classes_slices(data_root, noise):
    for i, name in enumerate(["b/2.png", "b/10.png", "a/x.PNG", "a/deep/y.png", "c/1.png"]):
        noise(data_root / "set" / name, 8, 8, seed=i)
    (data_root / "set" / "a" / "readme.txt").write_text("no image")
    (data_root / "set" / "a" / "._x.png").write_text("what another file system left")
    everything = folder(classes=True)
    assert everything.files == ["a/deep/y.png", "a/x.PNG", "b/10.png", "b/2.png", "c/1.png"]
    assert everything.classes == ["a", "b", "c"]
    assert everything.ignored == 2
    assert everything.row(2) == type(everything.row(2))("b/10.png", 1, "b")
    part = folder(classes=True, first=3, count=2)
    assert part.files == everything.files[3:]
    assert [part.row(i).label for i in range(2)] == [1, 2], "a label means the same in every slice"
    assert folder(classes=True, first=1, every=2).files == everything.files[1::2]
    assert folder().row(0).label == -1
    assert folder().classes == []
    assert folder().row(0).caption == ""


def test_folder_geometry(data_root, noise):
    original = noise(data_root / "set" / "wide.png", 40, 20)
    assert folder(size=10).decoded(0).image.size == (20, 10)
    assert folder(size=10, geometry="squash").decoded(0).image.size == (10, 10)
    assert np.array_equal(pixels(folder(size=20), 0), original)


def test_folder_default_root(tmp_path, monkeypatch, noise):
    monkeypatch.delenv(DATA_DIR, raising=False)
    monkeypatch.chdir(tmp_path)
    noise(tmp_path / "data" / "raw" / "set" / "1.png", 8, 8)
    assert len(folder()) == 1


def test_missing_folder_says_what_to_do(data_root):
    with pytest.raises(DataError) as error:
        folder("imagenet/train")
    message = str(error.value)
    assert f"{data_root}/imagenet/train: no such folder" in message
    assert DATA_DIR in message
    assert "put the images" in message
    assert "\n" not in message


def test_folder_that_does_not_hold_what_is_asked(data_root, noise):
    (data_root / "set").mkdir()
    with pytest.raises(DataError, match="holds no images"):
        folder()
    noise(data_root / "set" / "1.png", 8, 8)
    with pytest.raises(DataError, match="holds 1 images; expected more, for first 1, every 1, count all"):
        folder(first=1)
    with pytest.raises(DataError, match="holds 1 images; expected more, for first 0, every 1, count 2"):
        folder(count=2)
    with pytest.raises(DataError, match=r"1 images lie outside the class folders, 1\.png the first"):
        folder(classes=True)


CAPTIONS = CaptionTable(table="set/*.tsv*", id_column="photo_id", caption_columns=("description", "machine"))


def test_captions_are_the_first_that_is_not_empty(data_root, noise):
    for name in "abc":
        noise(data_root / "set" / "photos" / f"{name}.png", 8, 8)
    head = "other\tphoto_id\tmachine\tdescription\n"
    (data_root / "set" / "photos.tsv000").write_text(head + "1\ta\tmachine a\tpeople's a\n2\tb\tNA  sign\t\n")
    (data_root / "set" / "photos.tsv001").write_text(head + "3\tc\t\t \n4\tz\tunused\t\n")
    images = folder(captions=CAPTIONS)
    assert [images.row(i).caption for i in range(3)] == ["people's a", "NA sign", ""]


def test_caption_tables_that_do_not_fit(data_root, noise):
    noise(data_root / "set" / "a.png", 8, 8)
    with pytest.raises(DataError, match="no such table"):
        folder(captions=CAPTIONS)
    table = data_root / "set" / "photos.tsv"
    table.write_text("photo_id\tdescription\na\tx\n")
    with pytest.raises(DataError, match="has no column machine"):
        folder(captions=CAPTIONS)
    table.write_text("photo_id\tdescription\tmachine\nb\tx\ty\n")
    with pytest.raises(DataError, match=r"1 of 1 images have no row, a\.png the first; expected .* photo_id"):
        folder(captions=CAPTIONS)
    table.write_bytes(b"")
    with pytest.raises(DataError, match="not a tab-separated table"):
        folder(captions=CAPTIONS)


def test_crops_are_of_the_levels_that_the_wheels_hold(smoke):
    """Of which one has the profile of another colour space: the set's content is to stay what it is."""
    with Image.open(wheel_photographs()["rocket"]) as photo:
        assert photo.info["icc_profile"]
        expected = np.asarray(photo.convert("RGB"))
    crops = WheelCrops(smoke.scale.data.sets["train"], 0)
    assert np.array_equal(np.asarray(crops._photos[crops.classes.index("rocket")]), expected)
    assert crops.decoded(0).profile is None
