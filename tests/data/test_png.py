"""PNG files with more in them than pixels, and transparent levels of every depth."""

import io
import struct
import subprocess
import sys
import zlib

import numpy as np
import pytest
from PIL import Image

from pqgan.data.folder_set import side_of
from pqgan.data.pixels import read_rgb

MIB = 1 << 20


def chunk(kind, content):
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def raw_png(width, height, depth, colour, rows, *before):
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
    pixels = chunk(b"IDAT", zlib.compress(b"".join(b"\0" + row for row in rows)))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(before) + pixels + chunk(b"IEND", b"")


PIXELS = np.random.default_rng(0).integers(0, 256, (20, 20, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def photo():
    file = io.BytesIO()
    Image.fromarray(PIXELS).save(file, "PNG")
    return file.getvalue()


TEXTS = {
    "zTXt": [chunk(b"zTXt", b"workflow\0\0" + zlib.compress(bytes(2 * MIB)))],
    "iTXt": [chunk(b"iTXt", b"prompt\0\1\0\0\0" + zlib.compress(bytes(2 * MIB)))],
    "tEXt": [chunk(b"tEXt", b"Comment\0" + bytes(65 * MIB))],
    "many": [chunk(b"zTXt", b"workflow\0\0" + zlib.compress(bytes(MIB)))] * 65,
    "damaged": [
        chunk(b"zTXt", b"x"),
        chunk(b"pHYs", b"1"),
        chunk(b"gAMA", b""),
        chunk(b"acTL", b"no"),
        chunk(b"sRGB", b""),
    ],
    "checksum": [chunk(b"tEXt", b"Comment\0words")[:-4] + b"\0\0\0\0"],
}


@pytest.mark.parametrize("place", [33, -12], ids=["before", "after"])
@pytest.mark.parametrize("name", TEXTS)
def test_only_pixels_matter(tmp_path, photo, name, place):
    path = tmp_path / "image.png"
    path.write_bytes(photo[:place] + b"".join(TEXTS[name]) + photo[place:])
    assert np.array_equal(np.asarray(read_rgb(path)), PIXELS)
    assert side_of(tmp_path) == 20


def test_a_text_that_would_unpack_to_a_gigabyte_costs_nothing(tmp_path, photo):
    packer = zlib.compressobj(9)
    packed = b"".join(packer.compress(bytes(MIB)) for _ in range(1024)) + packer.flush()
    path = tmp_path / "image.png"
    texts = [chunk(b"zTXt", keyword + b"\0\0" + packed) for keyword in (b"workflow", b"XML:com.adobe.xmp")]
    path.write_bytes(photo[:33] + b"".join(texts) + photo[33:])
    code = (
        "import resource, sys\nfrom pqgan.data.pixels import read_rgb\n"
        "peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\nbefore = peak()\n"
        "read_rgb(sys.argv[1])\nprint(peak() - before)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 20 * 1024, "KiB"


@pytest.mark.parametrize("cut", [12, 40, 200])
def test_a_cut_file_stays_one(tmp_path, photo, cut):
    path = tmp_path / "image.png"
    path.write_bytes(photo[:33] + TEXTS["zTXt"][0] + photo[33:-cut])
    if cut == 12:  # nothing but the end mark
        assert np.array_equal(np.asarray(read_rgb(path)), PIXELS)
    else:
        with pytest.raises(ValueError, match="truncated"):
            read_rgb(path)


@pytest.mark.parametrize("depth", [1, 2, 4, 8, 16])
@pytest.mark.parametrize("level", [0, 1, -1])
def test_the_transparent_level_of_grey_is_white_at_every_depth(tmp_path, depth, level):
    most = (1 << depth) - 1
    level %= most + 1
    values = np.array([[0, 1, most // 2, most - 1, most, 0, 1, most]])
    if depth == 16:
        rows = [values[0].astype(">u2").tobytes()]
    else:
        bits = (values[0, :, None] >> np.arange(depth)[::-1]) & 1
        rows = [np.packbits(bits.astype(np.uint8).reshape(-1)).tobytes()]
    path = tmp_path / "grey.png"
    path.write_bytes(raw_png(8, 1, depth, 0, rows, chunk(b"tRNS", struct.pack(">H", level))))
    wanted = np.where(values == level, 255, np.rint(values * 255 / most))
    assert np.asarray(read_rgb(path))[..., 0].tolist() == wanted.tolist()


def test_the_transparent_colour_of_sixteen_bits_is_white(tmp_path):
    colours = np.array([[(0, 0, 0), (128, 128, 128), (65535, 0, 32768), (32896, 32896, 32896)]], ">u2")
    for colour, white in (((65535, 0, 32768), 2), ((32896, 32896, 32896), 3)):
        path = tmp_path / "colours.png"
        path.write_bytes(raw_png(4, 1, 16, 2, [colours.tobytes()], chunk(b"tRNS", struct.pack(">3H", *colour))))
        found = np.asarray(read_rgb(path))[0]
        assert [(pixel == 255).all() for pixel in found] == [place == white for place in range(4)]


def test_more_bytes_than_pixels_can_take_are_not_read(tmp_path):
    """A file of a gigabyte, all but empty on the disk, whose header says one pixel."""
    path = tmp_path / "image.png"
    whole = raw_png(1, 1, 8, 0, [b"\0"])
    with open(path, "wb") as file:
        file.write(whole[:33] + struct.pack(">I", 1 << 30) + b"IDAT")
        file.truncate(1 << 30)
    with pytest.raises(ValueError, match="more bytes than its pixels can take"):
        read_rgb(path)


@pytest.mark.parametrize("content", [b"II*\0" + b"\xff" * 9, b"no EXIF"])
@pytest.mark.parametrize("suffix", ["png", "jpg", "webp"])
def test_damaged_exif_costs_the_image_nothing(tmp_path, suffix, content):
    path = tmp_path / f"image.{suffix}"
    Image.new("RGB", (8, 8), (220, 20, 60)).save(path, exif=b"Exif\0\0" + content)
    assert np.abs(np.asarray(read_rgb(path)).astype(int) - (220, 20, 60)).max() < 4


def exif(orientation, order="<"):
    """EXIF of one entry."""
    mark = b"II*\0" if order == "<" else b"MM\0*"
    return mark + struct.pack(order + "IHHHIHHI", 8, 1, 0x0112, 3, 1, orientation, 0, 0)


def raw_profile(content):
    return b"\nexif\n" + b"%8d\n" % len(content) + content.hex().encode() + b"\n"


def xmp(orientation, spare=0):
    return b'<x:xmpmeta tiff:Orientation="%d">' % orientation + b" " * spare + b"</x:xmpmeta>"


def itxt(keyword, text, packed=False):
    return chunk(b"iTXt", keyword + (b"\0\1\0\0\0" + zlib.compress(text) if packed else b"\0\0\0\0\0" + text))


XMP, RAW = b"XML:com.adobe.xmp", b"Raw profile type exif"
TURNS = {
    "XMP": itxt(XMP, xmp(6)),
    "XMP packed": itxt(XMP, xmp(6), packed=True),
    "XMP of nearly a megabyte": itxt(XMP, xmp(6, MIB - 100), packed=True),
    "XMP, an element": itxt(XMP, b"<tiff:Orientation>6</tiff:Orientation>"),
    "profile": chunk(b"tEXt", RAW + b"\0" + raw_profile(exif(6))),
    "profile with the mark of JPEG": chunk(b"tEXt", RAW + b"\0" + raw_profile(b"Exif\0\0" + exif(6, ">"))),
    "profile packed": chunk(b"zTXt", RAW + b"\0\0" + zlib.compress(raw_profile(exif(6)))),
    "EXIF": chunk(b"eXIf", exif(6)),
    "EXIF before all": itxt(XMP, xmp(3)) + chunk(b"tEXt", RAW + b"\0" + raw_profile(exif(3))) + chunk(b"eXIf", exif(6)),
    "profile before XMP": itxt(XMP, xmp(3)) + chunk(b"tEXt", RAW + b"\0" + raw_profile(exif(6))),
    "damaged profile": chunk(b"tEXt", RAW + b"\0\nexif\n 4\nno hex\n") + itxt(XMP, xmp(6)),
    "damaged EXIF": chunk(b"eXIf", b"no EXIF") + itxt(XMP, xmp(6)),
    "among other texts": TEXTS["zTXt"][0] + itxt(XMP, xmp(6)) + TEXTS["tEXt"][0],
}


@pytest.mark.parametrize("place", [33, -12], ids=["before", "after"])
@pytest.mark.parametrize("name", TURNS)
def test_a_text_turns_the_image(tmp_path, photo, name, place):
    path = tmp_path / "image.png"
    path.write_bytes(photo[:place] + TURNS[name] + photo[place:])
    assert np.array_equal(np.asarray(read_rgb(path)), np.rot90(PIXELS, -1))


IGNORED = {
    "XMP too long": itxt(XMP, xmp(6, MIB)),
    "XMP that unpacks to too much": itxt(XMP, xmp(6, 64 * MIB), packed=True),
    "XMP that is no zlib": chunk(b"iTXt", XMP + b"\0\1\0\0\0" + xmp(6)),
    "XMP cut": chunk(b"iTXt", XMP + b"\0\1"),
    "XMP of a wrong checksum": itxt(XMP, xmp(6))[:-4] + b"\0\0\0\0",
    "XMP of no number": itxt(XMP, b'tiff:Orientation="six"'),
    "XMP of no such turn": itxt(XMP, xmp(9)),
    "another text": itxt(b"prompt", xmp(6)),
    "profile too long": chunk(b"tEXt", RAW + b"\0" + raw_profile(exif(6) + bytes(MIB))),
    "profile of no hexadecimals": chunk(b"tEXt", RAW + b"\0\nexif\n 4\nno hex\n"),
    "profile of no EXIF": chunk(b"tEXt", RAW + b"\0" + raw_profile(b"no EXIF at all")),
    "profile of no lines": chunk(b"zTXt", RAW + b"\0\0" + zlib.compress(b"short")),
    "profile of a cut EXIF": chunk(b"tEXt", RAW + b"\0" + raw_profile(exif(6)[:12])),
    "profile without its method": chunk(b"zTXt", RAW),
    "EXIF of no TIFF": chunk(b"eXIf", b"no EXIF"),
    "EXIF of a wrong checksum": chunk(b"eXIf", exif(6))[:-4] + b"\0\0\0\0",
    "EXIF of nothing": chunk(b"eXIf", b""),
}


@pytest.mark.parametrize("place", [33, -12], ids=["before", "after"])
@pytest.mark.parametrize("name", IGNORED)
def test_a_damaged_or_huge_text_turns_nothing(tmp_path, photo, name, place):
    path = tmp_path / "image.png"
    path.write_bytes(photo[:place] + IGNORED[name] + photo[place:])
    assert np.array_equal(np.asarray(read_rgb(path)), PIXELS)


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp"])
def test_an_image_is_turned_whatever_else_its_exif_has(tmp_path, suffix):
    """A maker that is a number, as which Pillow cannot write it again."""
    entries = struct.pack("<HHIf", 0x010F, 11, 1, 0.5) + struct.pack("<HHIHH", 0x0112, 3, 1, 6, 0)
    path = tmp_path / f"image.{suffix}"
    content = b"Exif\0\0II*\0" + struct.pack("<IH", 8, 2) + entries + bytes(4)
    image = Image.new("RGB", (16, 32), "white")
    image.paste("black", (0, 0, 16, 16))
    image.save(path, exif=content)
    found = np.asarray(read_rgb(path)).astype(int)
    assert found.shape == (16, 32, 3)
    assert found[:, 2:14].min() > 200, "what lay at the bottom lies at the left"
    assert found[:, 18:30].max() < 50
