"""Levels of every depth that TIFF, PNG and PGM have, against those that their files declare."""

import struct
import zlib

import numpy as np
import PIL
import pytest
from PIL import Image

from pqgan.data.pixels import read_rgb

SHORT, LONG = 3, 4


def tiff(
    pixels,
    *,
    bits,
    photometric,
    order="<",
    signed=False,
    floating=False,
    planar=False,
    packed=False,
    turned=1,
    opacity=2,
):
    """A TIFF of one strip per plane; pixels (H, W) or (H, W, C), rows of `bits` each."""
    height, width, *channels = pixels.shape
    (channels,) = channels or (1,)
    pixels = pixels.reshape(height, width, channels)
    planes = np.moveaxis(pixels, -1, 0)[..., None] if planar else pixels[None]
    strips = [encoded(plane.reshape(height, -1), bits, order) for plane in planes]
    if packed:
        strips = [zlib.compress(strip) for strip in strips]
    tags = {
        256: (SHORT, [width]),
        257: (SHORT, [height]),
        258: (SHORT, [bits] * channels),
        259: (SHORT, [8 if packed else 1]),
        262: (SHORT, [photometric]),
        273: (LONG, []),
        274: (SHORT, [turned]),
        277: (SHORT, [channels]),
        278: (SHORT, [height]),
        279: (LONG, [len(strip) for strip in strips]),
        284: (SHORT, [1 + planar]),
        339: (SHORT, [2 if signed else 3 if floating else 1] * channels),
    }
    if channels > {2: 3, 5: 4, 6: 3}.get(photometric, 1):
        tags[338] = (SHORT, [opacity])  # 1: colours are multiplied by it, 2: they are not
    start = 8 + 2 + 12 * len(tags) + 4
    spare, body = b"", b"".join(strips)
    ends = np.cumsum([0, *map(len, strips)])
    lengths = sum(len(v) * (2 if k == SHORT else 4) for k, v in tags.values())
    first = start + lengths + 8 * len(strips)
    tags[273] = (LONG, [first + int(end) for end in ends[:-1]])
    table = struct.pack(order + "H", len(tags))
    for tag, (kind, values) in sorted(tags.items()):
        content = struct.pack(f"{order}{len(values)}{'H' if kind == SHORT else 'I'}", *values)
        table += struct.pack(order + "HHI", tag, kind, len(values))
        if len(content) > 4:
            table += struct.pack(order + "I", start + len(spare))
            spare += content
        else:
            table += content.ljust(4, b"\0")
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "I", 8)
    return (head + table + bytes(4) + spare).ljust(first, b"\0") + body


def encoded(rows, bits, order):
    if bits in (8, 16, 32):
        kind = "f" if rows.dtype.kind == "f" else rows.dtype.kind
        return rows.astype(f"{order}{kind}{bits // 8}").tobytes()
    digits = (rows[..., None] >> np.arange(bits)[::-1]) & 1
    return np.packbits(digits.reshape(len(rows), -1).astype(np.uint8), axis=1).tobytes()


def ramp(bits):
    """Levels (2, 16), a whole range."""
    return np.linspace(0, (1 << bits) - 1, 32).round().astype(np.int64).reshape(2, 16)


@pytest.fixture
def read(tmp_path):
    def read(content, suffix="tif"):
        path = tmp_path / f"image.{suffix}"
        path.write_bytes(content)
        return np.asarray(read_rgb(path)).astype(int)

    return read


def check_grey(found, values, bits):
    assert np.array_equal(found, np.rint(values * 255 / ((1 << bits) - 1))[..., None].repeat(3, -1))


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "packed"])
@pytest.mark.parametrize("bits", [1, 2, 4, 8, 12, 16])
def test_grey_of_tiff_at_every_depth(read, bits, packed):
    check_grey(read(tiff(ramp(bits), bits=bits, photometric=1, packed=packed)), ramp(bits), bits)


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "packed"])
@pytest.mark.parametrize("bits", [1, 2, 4, 8, 16])
def test_white_is_zero_at_every_depth(read, bits, packed):
    found = read(tiff(ramp(bits), bits=bits, photometric=0, packed=packed))
    check_grey(found, (1 << bits) - 1 - ramp(bits), bits)


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "packed"])
def test_grey_of_sixteen_bits_the_higher_byte_first(read, packed):
    check_grey(read(tiff(ramp(16), bits=16, photometric=1, order=">", packed=packed)), ramp(16), 16)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("planar", [False, True], ids=["together", "apart"])
@pytest.mark.parametrize("packed", [False, True], ids=["plain", "packed"])
@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("photometric", [2, 5, 6], ids=["colours", "inks", "opacity"])
def test_channels_of_tiff(read, photometric, bits, packed, planar, order):
    channels = 3 if photometric == 2 else 4
    values = np.random.default_rng(0).integers(0, 1 << bits, (6, 10, channels))
    if photometric == 6:
        photometric, values[..., 3] = 2, np.where(values[..., 3] % 2, (1 << bits) - 1, 0)
    found = read(tiff(values, bits=bits, photometric=photometric, order=order, planar=planar, packed=packed))
    share = values / ((1 << bits) - 1)
    wanted = 255 * share[..., :3]
    if photometric == 5:
        wanted = 255 * (1 - share[..., :3]) * (1 - share[..., 3:])
    elif channels == 4:
        wanted = np.where(values[..., 3:], wanted, 255)
    # Pillow keeps the upper 8 bits of 16 of each channel
    assert np.abs(found - wanted).max() < (2.6 if photometric == 5 else 1.01)


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "packed"])
@pytest.mark.parametrize(("bits", "photometric"), [(8, 1), (8, 0), (16, 1), (16, 0), (12, 1), (8, 2)])
@pytest.mark.parametrize(("turned", "upright"), [(3, lambda a: a[::-1, ::-1]), (6, lambda a: np.rot90(a, -1))])
def test_a_tiff_that_is_to_be_turned(read, turned, upright, bits, photometric, packed):
    colours = photometric == 2
    values = np.random.default_rng(0).integers(0, 1 << bits, (6, 10, 3) if colours else (6, 10))
    found = read(tiff(values, bits=bits, photometric=photometric, packed=packed, turned=turned))
    values = values if photometric else (1 << bits) - 1 - values
    if colours:
        assert np.array_equal(found, upright(values))
    else:
        check_grey(found, upright(values), bits)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("packed", [False, True], ids=["plain", "packed"])
@pytest.mark.parametrize(
    ("bits", "options", "reason"),
    [
        (8, {"signed": True}, "^signed pixels, .* save it with unsigned"),
        (16, {"signed": True}, "^signed pixels, .* save it with unsigned"),
        (32, {"signed": True}, "^signed pixels, .* save it with unsigned"),
        (32, {}, "^pixels of more than 16 bits, .* save it with unsigned|^a TIFF .* does not read; save it as RGB"),
        (32, {"floating": True}, "^floating-point pixels, .* save it with unsigned"),
    ],
)
def test_a_range_that_no_file_declares_is_refused(read, bits, options, reason, packed, order):
    values = ramp(7) / 127 if "floating" in options else ramp(7)
    with pytest.raises(ValueError, match=reason):
        read(tiff(values, bits=bits, photometric=1, order=order, packed=packed, **options))


@pytest.mark.parametrize(
    "content",
    [
        tiff(ramp(16), bits=16, photometric=0, order=">"),
        tiff(np.stack([ramp(12)] * 3, -1), bits=12, photometric=2),
        b"II*\0words that are no TIFF",
    ],
    ids=["order", "colours", "damaged"],
)
def test_a_tiff_that_pillow_does_not_know_is_called_one(read, content):
    with pytest.raises(ValueError, match=r"^a TIFF that is damaged, or of channels or bits that .* save it as RGB"):
        read(content)


def test_colours_of_fewer_pixels_than_their_brightness(read):
    """Blocks of four levels, their blue and their red."""
    blocks = np.zeros((3, 5, 6), np.uint8)
    blocks[..., :4] = np.random.default_rng(0).integers(60, 190, (3, 5, 4))
    blocks[..., 4:] = 128, 158
    brightness = blocks[..., :4].reshape(3, 5, 2, 2).swapaxes(1, 2).reshape(6, 10).astype(int)
    content = tiff(np.zeros((6, 10, 3), int), bits=8, photometric=6)
    # Pillow's own reader wants twice as many bytes, and finds them where other data follow
    found = read(content[: -6 * 10 * 3] + blocks.tobytes() + bytes(90))
    assert np.abs(found - brightness[..., None] - np.array([1.402, -0.714, 0]) * 30).max() < 2


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "packed"])
def test_a_cut_tiff_is_refused(read, packed):
    values = np.random.default_rng(0).integers(0, 1 << 16, (40, 40))
    with pytest.raises(ValueError, match="truncated"):
        read(tiff(values, bits=16, photometric=1, packed=packed)[:-1500])


@pytest.mark.parametrize(("opacity", "wanted"), [(1, (100, 177, 255)), (2, (100, 152, 255))])
@pytest.mark.parametrize("photometric", [1, 2])
def test_grey_and_colours_that_their_opacity_multiplies_or_not(read, photometric, opacity, wanted):
    values = np.array([[[100, 255], [50, 128], [0, 0]]])
    if photometric == 2:
        values = values[..., [0, 0, 0, 1]]
    content = tiff(values, bits=8, photometric=photometric, opacity=opacity)
    if (photometric, opacity) == (1, 1) and int(PIL.__version__.partition(".")[0]) < 13:
        with pytest.raises(ValueError, match="bits that Pillow does not read; save it as RGB"):
            read(content)
        return
    found = read(content)
    assert np.abs(found[0, :, 0] - wanted).max() <= 1


@pytest.mark.parametrize("most", [1, 100, 255, 256, 1023, 4095, 65535])
@pytest.mark.parametrize("kind", ["P2", "P3", "P5", "P6"])
def test_levels_of_netpbm(read, kind, most):
    levels = np.linspace(0, most, 8).round().astype(int)
    values = levels.repeat(3 if kind in ("P3", "P6") else 1)
    plain = " ".join(map(str, values)).encode() + b"\n"
    body = plain if kind in ("P2", "P3") else values.astype(np.uint8 if most < 256 else ">u2").tobytes()
    found = read(f"{kind}\n8 1\n{most}\n".encode() + body, "ppm")
    assert np.abs(found[0] - (255 * levels / most)[:, None]).max() <= 0.51
    assert found[0, 0].tolist() == [0] * 3
    assert found[0, -1].tolist() == [255] * 3


def test_the_first_page_of_several_that_are_to_be_turned(tmp_path):
    pages = np.random.default_rng(0).integers(0, 256, (2, 6, 10), dtype=np.uint8)
    turn = Image.Exif()
    turn[0x0112] = 6
    first, second = map(Image.fromarray, pages)
    first.save(tmp_path / "pages.tif", save_all=True, append_images=[second], exif=turn)
    assert np.array_equal(np.asarray(read_rgb(tmp_path / "pages.tif"))[..., 0], np.rot90(pages[0], -1))
