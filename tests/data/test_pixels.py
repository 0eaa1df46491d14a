import numpy as np
import pytest
from PIL import Image

from pqgan.data.pixels import read_rgb, resize, to_rgb


def test_sixteen_bit_grey_is_scaled_not_clipped(tmp_path):
    values = np.array([[0, 257, 32768, 65535]], dtype=np.uint16)
    Image.fromarray(values).save(tmp_path / "grey16.png")
    rgb = np.asarray(read_rgb(tmp_path / "grey16.png"))
    assert rgb.tolist() == [[[0] * 3, [1] * 3, [128] * 3, [255] * 3]]


def test_transparency_lies_over_white():
    rgba = Image.fromarray(np.array([[[10, 20, 30, 255], [10, 20, 30, 0], [0, 0, 0, 51]]], dtype=np.uint8))
    assert np.asarray(to_rgb(rgba).image).tolist() == [[[10, 20, 30], [255, 255, 255], [204, 204, 204]]]


def test_palette_with_a_transparent_colour(tmp_path):
    image = Image.new("P", (2, 1))
    image.putpalette([255, 0, 0, 0, 0, 255])
    image.putdata([0, 1])
    image.save(tmp_path / "palette.png", transparency=1)
    assert np.asarray(read_rgb(tmp_path / "palette.png")).tolist() == [[[255, 0, 0], [255, 255, 255]]]


def test_cmyk_grey_and_bilevel_become_rgb(tmp_path):
    Image.new("CMYK", (4, 4), (0, 255, 255, 0)).save(tmp_path / "cmyk.jpg", quality=100)
    red = np.asarray(read_rgb(tmp_path / "cmyk.jpg"))[0, 0].astype(int)
    assert red[0] > 250
    assert max(red[1:]) < 5
    assert np.asarray(to_rgb(Image.new("L", (1, 1), 77)).image).tolist() == [[[77, 77, 77]]]
    assert np.asarray(to_rgb(Image.new("1", (1, 1), 1)).image).tolist() == [[[255, 255, 255]]]


def test_exif_orientation_is_applied(tmp_path):
    image = Image.fromarray(np.array([[[255, 0, 0], [0, 0, 255]]], dtype=np.uint8))  # 2 wide, 1 high
    exif = Image.Exif()
    exif[0x0112] = 6  # the top of the picture is at the file's right: turn it a quarter clockwise
    image.save(tmp_path / "turned.png", exif=exif)
    turned = read_rgb(tmp_path / "turned.png")
    assert turned.size == (1, 2)
    assert np.asarray(turned)[:, 0].tolist() == [[255, 0, 0], [0, 0, 255]]


def test_first_frame_of_an_animation(tmp_path):
    frames = [Image.new("RGB", (3, 3), colour) for colour in ("red", "blue")]
    frames[0].save(tmp_path / "moving.gif", save_all=True, append_images=frames[1:])
    assert np.asarray(read_rgb(tmp_path / "moving.gif"))[1, 1].tolist() == [255, 0, 0]


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b"", "an empty file"), (b"hello", "not an image"), (b"%!PS-Adobe-3.0 EPSF", "not an image")],
)
def test_no_image_says_so(tmp_path, content, reason):
    (tmp_path / "x.png").write_bytes(content)
    with pytest.raises(ValueError, match=reason):
        read_rgb(tmp_path / "x.png")


@pytest.mark.parametrize("suffix", ["png", "jpg"])
def test_a_cut_file_is_refused(tmp_path, noise, suffix):
    path = tmp_path / f"cut.{suffix}"
    noise(path, 64, 64)
    path.write_bytes(path.read_bytes()[:-2000])
    with pytest.raises(ValueError, match="truncated"):
        read_rgb(path)


def test_values_of_unknown_range_are_refused():
    with pytest.raises(ValueError, match="floating-point"):
        to_rgb(Image.fromarray(np.zeros((2, 2), np.float32)))
    with pytest.raises(ValueError, match="more than 16 bits"):
        to_rgb(Image.fromarray(np.full((2, 2), 70000, np.int32)))


@pytest.mark.parametrize(
    ("size", "geometry", "expected"),
    [
        ((500, 375), "crop", (341, 256)),  # 341.33
        ((375, 500), "crop", (256, 341)),
        ((100, 50), "crop", (512, 256)),  # upscaled
        ((257, 256), "crop", (257, 256)),
        ((500, 375), "squash", (256, 256)),
    ],
)
def test_geometry(size, geometry, expected):
    assert resize(Image.new("RGB", size), 256, geometry).size == expected


def test_resize_is_antialiased():
    stripes = np.zeros((64, 64, 3), np.uint8)
    stripes[:, ::2] = 255  # period 2: below what 16 pixels can show
    small = np.asarray(resize(Image.fromarray(stripes), 16, "crop")).astype(int)
    assert np.abs(small[:, 2:-2] - 127.5).max() < 4


def test_right_size_is_left_alone():
    image = Image.new("RGB", (20, 16))
    assert resize(image, 16, "crop") is image
