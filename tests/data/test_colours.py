"""Colour profiles, against the mathematics of each written out."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image, ImageCms

from pqgan.data.pixels import decode
from pqgan.data.png import LONGEST_PROFILE
from pqgan.data.sources import wheel_photographs

SRGB = [[0.43607, 0.38515, 0.14307], [0.22249, 0.71687, 0.06061], [0.01392, 0.09708, 0.71410]]
ADOBE = [[0.60974, 0.20528, 0.14919], [0.31111, 0.62567, 0.06322], [0.01947, 0.06087, 0.74457]]
"""XYZ of the primaries, a column each, adapted to D50."""


def s15(*values):
    return b"".join(struct.pack(">i", round(65536 * value)) for value in values)


def profile(space, pcs, kind, tags):
    """An ICC profile of version 2."""
    white = b"XYZ \0\0\0\0" + s15(0.9642, 1.0, 0.8249)
    text = b"desc\0\0\0\0" + struct.pack(">I", 5) + b"test\0" + bytes(78)
    tags = {b"desc": text, b"cprt": b"text\0\0\0\0own\0", b"wtpt": white, **tags}
    table, data, start = b"", b"", 132 + 12 * len(tags)
    for name, body in tags.items():
        table += name + struct.pack(">II", start + len(data), len(body))
        data += body + bytes(-len(body) % 4)
    head = struct.pack(">I4sI4s4s4s", start + len(data), b"lcms", 0x02100000, kind, space, pcs) + bytes(12) + b"acsp"
    return head.ljust(68, b"\0") + s15(0.9642, 1.0, 0.8249) + bytes(48) + struct.pack(">I", len(tags)) + table + data


def curve(gamma):
    return b"curv\0\0\0\0" + struct.pack(">IH", 1, round(256 * gamma)) + b"\0\0"


def rgb_profile(primaries, gamma):
    columns = {f"{c}XYZ".encode(): b"XYZ \0\0\0\0" + s15(*np.array(primaries)[:, i]) for i, c in enumerate("rgb")}
    return profile(b"RGB ", b"XYZ ", b"mntr", columns | {f"{c}TRC".encode(): curve(gamma) for c in "rgb"})


LINEAR_GREY = profile(b"GRAY", b"XYZ ", b"mntr", {b"kTRC": curve(1)})
CYAN = (55, -37, -50)
"""Lab of full cyan, in a profile in which any other ink is black."""


def cmyk_profile():
    def lab(c, m, y, k):
        lightness, a, b = (0, 0, 0) if m or y or k else CYAN if c else (100, 0, 0)
        return bytes([round(lightness * 2.55), 128 + a, 128 + b])

    table = b"".join(lab(*inks) for inks in np.ndindex(2, 2, 2, 2))
    straight = bytes(range(256))
    header = b"mft1\0\0\0\0" + bytes([4, 3, 2, 0]) + s15(1, 0, 0, 0, 1, 0, 0, 0, 1)
    return profile(b"CMYK", b"Lab ", b"prtr", {b"A2B0": header + 4 * straight + table + 3 * straight})


def gamma_of_srgb(linear):
    return np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear.clip(1e-9) ** (1 / 2.4) - 0.055)


def expected(pixels, primaries, gamma):
    """8-bit levels of sRGB."""
    linear = np.linalg.inv(SRGB) @ primaries @ (pixels.reshape(-1, 3) / 255.0).T ** gamma
    return 255 * gamma_of_srgb(linear.T.clip(0, 1)).reshape(pixels.shape)


def levels_of_lab(lightness, a, b):
    """8-bit levels of sRGB."""
    f = np.array([a / 500, 0, -b / 200]) + (lightness + 16) / 116
    xyz = np.where(f > 6 / 29, f**3, 3 * (6 / 29) ** 2 * (f - 4 / 29)) * (0.9642, 1.0, 0.8249)
    return 255 * gamma_of_srgb((np.linalg.inv(SRGB) @ xyz).clip(0, 1))


@pytest.fixture
def colours():
    return np.random.default_rng(0).integers(0, 256, (16, 24, 3), dtype=np.uint8)


@pytest.fixture
def read(tmp_path):
    """What becomes of an image that is saved with a profile: pixels, and what became of the profile."""

    def read(image, icc, suffix="png", **options):
        path = tmp_path / f"image.{suffix}"
        image.save(path, icc_profile=icc, **options)
        found = decode(path)
        assert not found.image.info, "or what is saved of it would carry the profile on"
        return np.asarray(found.image).astype(int), found.profile

    return read


@pytest.mark.parametrize("suffix", ["png", "tif", "webp"])
def test_colours_are_those_of_the_mathematics(read, colours, suffix):
    options = {"lossless": True, "exact": True} if suffix == "webp" else {}
    pixels, became = read(Image.fromarray(colours), rgb_profile(ADOBE, 563 / 256), suffix, **options)
    assert became == "converted"
    assert np.abs(pixels - expected(colours, ADOBE, 563 / 256)).max() < 1.6
    assert np.abs(pixels - colours).max() > 50


def test_a_jpeg_is_converted_too(read):
    flat = np.full((16, 16, 3), (40, 160, 90), np.uint8)
    pixels, became = read(Image.fromarray(flat), rgb_profile(ADOBE, 563 / 256), "jpg", quality=100)
    assert became == "converted"
    assert np.abs(pixels - expected(flat, ADOBE, 563 / 256)).max() < 6


def own_profile(photo):
    with Image.open(wheel_photographs()[photo]) as image:
        return image.info["icc_profile"]


def test_the_profile_of_adobe_s_own_photographs(read, colours):
    pixels, became = read(Image.fromarray(colours), own_profile("rocket"))
    assert became == "converted"
    assert np.abs(pixels - expected(colours, ADOBE, 563 / 256)).max() < 1.6


@pytest.mark.parametrize("mode", ["RGB", "L"])
@pytest.mark.parametrize("whose", ["lcms", "HP", "matrix"])
def test_srgb_leaves_pixels_as_they_are(read, colours, whose, mode):
    icc = {
        "lcms": lambda: ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes(),
        "HP": lambda: own_profile("chelsea"),
        "matrix": lambda: own_profile("flower"),
    }[whose]()
    image = Image.fromarray(colours).convert(mode)
    pixels, became = read(image, icc)
    assert became is None
    assert np.array_equal(pixels, np.asarray(image.convert("RGB")))


@pytest.mark.parametrize("alpha", [False, True])
def test_grey_by_a_grey_profile(read, alpha):
    levels = np.arange(256, dtype=np.uint8).reshape(16, 16)
    image = Image.fromarray(levels)
    if alpha:
        image.putalpha(Image.fromarray(np.where(levels % 2, 255, 0).astype(np.uint8)))
    pixels, became = read(image, LINEAR_GREY)
    assert became == "converted"
    lit = 255 * gamma_of_srgb(levels / 255.0)
    wanted = np.where(levels % 2, lit, 255) if alpha else lit
    assert np.abs(pixels - wanted[..., None]).max() < 1.6


def test_grey_of_sixteen_bits_by_a_grey_profile(read):
    levels = np.linspace(0, 65535, 256).round().astype(np.uint16).reshape(16, 16)
    pixels, became = read(Image.fromarray(levels), LINEAR_GREY)
    assert became == "converted"
    assert np.abs(pixels - 255 * gamma_of_srgb(levels / 65535.0)[..., None]).max() < 1.6


def test_grey_by_a_profile_for_colours(read):
    levels = np.arange(256, dtype=np.uint8).reshape(16, 16)
    pixels, became = read(Image.fromarray(levels), rgb_profile(SRGB, 1))
    assert became == "converted"
    assert np.abs(pixels - 255 * gamma_of_srgb(levels / 255.0)[..., None]).max() < 1.6


def test_transparent_colours_lie_over_a_white_that_no_profile_changes(read, colours):
    image = Image.fromarray(colours)
    image.putalpha(Image.fromarray(np.where(np.arange(24) < 12, 255, 0).astype(np.uint8)[None].repeat(16, 0)))
    pixels, became = read(image, rgb_profile(ADOBE, 563 / 256))
    assert became == "converted"
    assert np.abs(pixels - expected(colours, ADOBE, 563 / 256))[:, :12].max() < 1.6
    assert (pixels[:, 12:] == 255).all()


@pytest.mark.parametrize("suffix", ["tif", "jpg"])
def test_inks_by_their_profile(read, suffix):
    image = Image.new("CMYK", (24, 8))
    for i, inks in enumerate([(0, 0, 0, 0), (255, 0, 0, 0), (0, 0, 0, 255)]):
        image.paste(inks, (8 * i, 0, 8 * i + 8, 8))
    options = {"quality": 100} if suffix == "jpg" else {}
    pixels, became = read(image, cmyk_profile(), suffix, **options)
    assert became == "converted"
    cyan = levels_of_lab(*CYAN)
    for i, wanted in enumerate([(255, 255, 255), cyan, (0, 0, 0)]):
        assert np.abs(pixels[4, 8 * i + 4] - wanted).max() < 8, i
    assert np.abs(cyan - (0, 255, 255)).max() > 50, "what inks are without a profile"


def damaged():
    whole = rgb_profile(ADOBE, 2.2)
    return {
        "empty": b"",
        "words": b"no profile" * 50,
        "cut": whole[:150],
        "black": rgb_profile(np.zeros((3, 3)), 2.2),
        "grey": LINEAR_GREY,
        "inks": cmyk_profile(),
        "lab": ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes(),
    }


@pytest.mark.parametrize("name", damaged())
def test_a_damaged_profile_or_one_for_other_images_is_ignored(tmp_path, colours, name):
    path, file = tmp_path / "image.png", io.BytesIO()
    Image.fromarray(colours).save(file, "PNG")
    with_chunk(path, file.getvalue(), b"iCCP", b"name\0\0" + zlib.compress(damaged()[name]))
    found = decode(path)
    assert found.profile == "ignored"
    assert np.array_equal(np.asarray(found.image), colours)


@pytest.mark.parametrize(
    "content",
    [b"name\0\0\x78\x9cno zlib", b"name", zlib.compress(bytes(4 * LONGEST_PROFILE))],
    ids=["zlib", "cut", "bomb"],
)
def test_a_profile_that_cannot_be_unpacked_is_ignored(tmp_path, colours, content):
    path, file = tmp_path / "image.png", io.BytesIO()
    Image.fromarray(colours).save(file, "PNG")
    with_chunk(path, file.getvalue(), b"iCCP", content if content.startswith(b"name") else b"name\0\0" + content)
    found = decode(path)
    assert found.profile == "ignored"
    assert np.array_equal(np.asarray(found.image), colours)


def test_a_profile_of_a_jpeg_with_a_part_missing_is_ignored(tmp_path, colours):
    path = tmp_path / "image.jpg"
    Image.fromarray(colours).save(path, icc_profile=rgb_profile(ADOBE, 2.2), quality=95)
    path.write_bytes(path.read_bytes().replace(b"ICC_PROFILE\0\x01\x01", b"ICC_PROFILE\0\x01\x02"))
    assert decode(path).profile == "ignored"


def with_chunk(path, png, kind, content):
    """Write a PNG with a chunk more after its header."""
    chunk = struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
    path.write_bytes(png[:33] + chunk + png[33:])


def faded_profile():
    """Of a screen whose black is a grey of Lab 20."""
    lightness = [round(2.55 * (20 + 80 * (r + g + b) / 3)) for r, g, b in np.ndindex(2, 2, 2)]
    table = b"".join(bytes([level, 128, 128]) for level in lightness)
    header = b"mft1\0\0\0\0" + bytes([3, 3, 2, 0]) + s15(1, 0, 0, 0, 1, 0, 0, 0, 1)
    straight = bytes(range(256))
    tags = dict.fromkeys((b"A2B0", b"A2B1"), header + 3 * straight + table + 3 * straight)
    return profile(b"RGB ", b"Lab ", b"mntr", tags)


def test_the_darkest_that_a_profile_has_is_black(read):
    pixels, became = read(Image.new("RGB", (16, 8)), faded_profile())
    assert became == "converted"
    assert pixels.max() < 8
    assert levels_of_lab(20, 0, 0).min() > 40, "what it is by the profile alone"
