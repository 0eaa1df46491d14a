"""Uploaded files to pixels: brought down, cut, and said so; what is no image is refused in a line."""

import numpy as np
import pytest
from PIL import Image
from skimage import data

from pqgan.demo.pictures import Picture, like, read
from pqgan.errors import DataError


def saved(path, pixels, **options):
    Image.fromarray(pixels).save(path, **options)
    return path


def test_a_picture_that_fits_is_left_as_it_is(tmp_path):
    pixels = data.chelsea()[:64, :96]
    picture = read(saved(tmp_path / "a.png", pixels), 16, 96)
    assert np.array_equal(picture.pixels, pixels)
    assert picture.said == "96 x 64 px"


def test_a_large_one_is_made_smaller_and_cut_about_its_centre_and_says_so(tmp_path):
    pixels = data.chelsea()  # (300, 451, 3)
    picture = read(saved(tmp_path / "a.png", pixels), 16, 200)
    whole = np.asarray(Image.fromarray(pixels).resize((200, 133), Image.Resampling.LANCZOS))
    assert np.array_equal(picture.pixels, whole[2:130, 4:196])
    assert picture.said == "451 x 300 px, made smaller to 200 x 133 px, cut to 192 x 128 px, multiples of 16"


def test_one_that_is_cut_alone_keeps_its_pixels(tmp_path):
    pixels = data.chelsea()
    picture = read(saved(tmp_path / "a.png", pixels), 16, 1024)
    assert np.array_equal(picture.pixels, pixels[6:294, 1:449])
    assert picture.said == "451 x 300 px, cut to 448 x 288 px, multiples of 16"


def test_a_turned_photograph_stands_upright(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # turned right to be upright
    pixels = data.chelsea()[:64, :96]
    picture = read(saved(tmp_path / "a.png", pixels, exif=exif), 16, 96)
    assert np.array_equal(picture.pixels, np.rot90(pixels, -1))


def test_transparency_lies_over_white_and_sixteen_bits_become_eight(tmp_path):
    clear = np.zeros((16, 16, 4), np.uint8)
    assert (read(saved(tmp_path / "clear.png", clear), 16, 64).pixels == 255).all()
    deep = np.full((16, 16), 257 * 100, np.uint16)
    assert (read(saved(tmp_path / "deep.png", deep), 16, 64).pixels == 100).all()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "cannot be read as an image: an empty file"),
        (b"<html>", "cannot be read as an image: not an image in one of JPEG, PNG"),
        (None, "cannot be read as an image: .*truncated"),
    ],
)
def test_what_is_no_whole_image_is_refused(tmp_path, content, message):
    path = saved(tmp_path / "a.png", data.chelsea())
    path.write_bytes(path.read_bytes()[:50_000] if content is None else content)
    with pytest.raises(DataError, match=message) as found:
        read(path, 16, 1024)
    assert "\n" not in str(found.value)


@pytest.mark.parametrize(
    ("height", "width", "message"),
    [(15, 100, "has 100 x 15 px; expected at least 16 pixels"), (20, 2000, "1000 x 10 px once made smaller; expected")],
)
def test_one_with_no_position_to_encode_is_refused(tmp_path, height, width, message):
    with pytest.raises(DataError, match=message):
        read(saved(tmp_path / "a.png", np.zeros((height, width, 3), np.uint8)), 16, 1000)


@pytest.mark.parametrize("shape", [(300, 451, 3), (90, 40, 3), (16, 16, 3), (64, 300, 3)])
def test_a_second_picture_covers_the_first(shape):
    other = Picture(np.zeros((64, 96, 3), np.uint8), "")
    ramp = np.broadcast_to(np.linspace(0, 255, shape[1]).astype(np.uint8)[None, :, None], shape)
    found = like(Picture(np.ascontiguousarray(ramp), "x px"), other)
    assert found.pixels.shape == (64, 96, 3)
    assert found.said == "x px, brought to 96 x 64 px of the other"
    # cut about the centre: as far from the middle grey at either end
    assert abs(int(found.pixels[:, 0].mean()) + int(found.pixels[:, -1].mean()) - 255) <= 3


def test_a_second_picture_is_not_stretched():
    rows = np.broadcast_to((np.arange(90) * 2).astype(np.uint8)[:, None, None], (90, 40, 3))
    found = like(Picture(np.ascontiguousarray(rows), ""), Picture(np.zeros((64, 96, 3), np.uint8), "")).pixels
    # 40 columns became 96, so 64 rows are of 64 / 2.4 of the 90
    assert abs(int(found[-1].mean()) - int(found[0].mean()) - 2 * 63 / 2.4) <= 2


def test_a_second_picture_of_the_same_size_is_left_alone():
    one = Picture(data.chelsea()[:64, :96], "a")
    assert like(one, Picture(np.zeros((64, 96, 3), np.uint8), "")) is one
