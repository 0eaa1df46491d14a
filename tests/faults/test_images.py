"""Damaged, disguised, oversized and unusual images, through the real command."""

import io
import os
import re
import struct
import subprocess
import sys
import zlib

import numpy as np
import pytest
from PIL import Image

from pqgan.cli import main
from pqgan.data.pixels import MAX_PIXELS, read_rgb, resize
from pqgan.data.prepared import PreparedSet
from pqgan.data.sources import wheel_photographs

HTML = "<!DOCTYPE html>\n<html><head><title>404 Not Found</title></head><body>Gone.</body></html>\n"


def photograph(side=64, seed=0):
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (side, side, 3), dtype=np.uint8))


def png(width, height, depth, colour, rows):
    """A PNG of what Pillow does not write; rows: the filtered bytes in pieces."""

    def chunk(kind, content):
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    packer = zlib.compressobj(1)
    packed = b"".join([packer.compress(row) for row in rows] + [packer.flush()])
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", packed) + chunk(b"IEND", b"")


def bomb(side):
    """A whole PNG of black pixels, one bit each: 400 million of them are 0.2 MB."""
    return png(side, side, 1, 0, (bytes(1 + (side + 7) // 8) for _ in range(side)))


TRUNCATED = ("half.jpg", "half.png", "half.gif", "half.bmp", "half.tif", "half.ppm")
BAD = {
    **dict.fromkeys(TRUNCATED, "truncated"),
    "half.webp": "could not create decoder",
    "empty.jpg": "an empty file",
    "page.jpg": "not an image in one of JPEG, .*: starts with '<!DOCTYPE html>",
    "huge.png": rf"400000000 pixels\) exceeds limit of {MAX_PIXELS} pixels",
    "thin.jpg": "too thin: 1x60000 px and 256x15360000 px once its shortest side is 256",
    "float.tif": "floating-point pixels",
    "gone.jpg": "No such file or directory",
    "pipe.jpg": "not a regular file",
}
"""File -> what is to be said of it."""


@pytest.fixture
def spoiled(folder):
    """The folder with three good images and one of each bad kind."""
    for i in range(3):
        photograph(seed=i).save(folder / f"good{i}.png")
    for name in (*TRUNCATED, "half.webp"):
        photograph().save(folder / name)
        (folder / name).write_bytes((folder / name).read_bytes()[: (folder / name).stat().st_size // 2])
    (folder / "empty.jpg").touch()
    (folder / "page.jpg").write_text(HTML)
    (folder / "huge.png").write_bytes(bomb(20_000))
    Image.new("L", (1, 60_000)).save(folder / "thin.jpg")
    Image.fromarray(np.zeros((16, 16), np.float32)).save(folder / "float.tif")
    (folder / "gone.jpg").symlink_to(folder / "nothing.jpg")
    os.mkfifo(folder / "pipe.jpg")
    return folder


def test_all_bad_images_in_one_line_and_nothing_published(spoiled, command, tmp_path):
    shell = [sys.executable, "-m", "pqgan.cli", *command(size=256)]
    done = subprocess.run(shell, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout) == (3, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"pqgan prepare-data: own: {len(BAD)} of {len(BAD) + 3} images cannot be read; replace")
    for name, reason in BAD.items():
        assert re.search(rf"{re.escape(name)} \([^;]*{reason}", line), f"{name} in {line}"
    assert "good" not in line
    assert os.listdir(tmp_path / "out") == []


@pytest.mark.parametrize("name", BAD)
def test_each_bad_image_alone(spoiled, command, tmp_path, capsys, name):
    for path in spoiled.iterdir():
        if path.name != name:
            path.unlink()
    assert main(command(size=256)) == 3
    line = capsys.readouterr().err
    assert line.count("\n") == 1
    assert re.search(rf"own: 1 of 1 images cannot be read; replace or remove them: {name} \([^;]*{BAD[name]}", line)
    assert os.listdir(tmp_path / "out") == []


def test_replaced_images_are_prepared(spoiled, command, tmp_path):
    assert main(command()) == 3
    for name in BAD:
        (spoiled / name).unlink()
    assert main(command()) == 0
    assert os.listdir(tmp_path / "out") == ["own"]
    prepared = PreparedSet(tmp_path / "out" / "own")
    prepared.verify()
    assert [row["source"] for row in prepared.rows()] == [f"good{i}.png" for i in range(3)]


def test_an_earlier_set_survives_a_failed_preparation(folder, command, tmp_path):
    photograph().save(folder / "good.png")
    assert main(command()) == 0
    (folder / "empty.jpg").touch()
    assert main(command()) == 3
    PreparedSet(tmp_path / "out" / "own").verify()


def peak_of_reading(path):
    """Peak memory, MB above that of the start, of a process that reads an image; and what it says."""
    code = (
        "import resource, sys\nfrom pqgan.data.pixels import read_rgb\n"
        "peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\nbefore = peak()\n"
        "try: read_rgb(sys.argv[1])\nexcept ValueError as error: print(peak() - before, error)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True)
    kilobytes, said = done.stdout.split(maxsplit=1)
    return int(kilobytes) / 1024, said


def test_a_bomb_is_refused_undecoded(tmp_path):
    (tmp_path / "bomb.png").write_bytes(bomb(20_000))
    assert (tmp_path / "bomb.png").stat().st_size < 1_000_000
    megabytes, said = peak_of_reading(tmp_path / "bomb.png")
    assert "exceeds limit" in said
    assert megabytes < 20, "400 million pixels are 400 MB"


@pytest.mark.parametrize(
    ("width", "height", "reason"),
    [
        (16_320, 12_240, "truncated"),  # the largest photograph of a telephone
        (19_000, 14_000, "truncated"),
        (16_384, 16_384, "truncated"),
        (16_385, 16_384, "exceeds limit"),
        (2**31 - 1, 2**31 - 1, "exceeds limit"),
    ],
)
def test_the_limit_lets_large_photographs_through(tmp_path, width, height, reason):
    path = tmp_path / "large.png"
    path.write_bytes(png(width, height, 8, 2, [b"cut short"]))
    with pytest.raises(ValueError, match=reason):
        read_rgb(path)


def test_a_photograph_of_100_megapixels_is_prepared(folder, command, tmp_path):
    rows = (b"\0" + bytes([255 * (y < 5_000)]) * 12_500 for y in range(10_000))
    (folder / "large.png").write_bytes(png(12_500, 10_000, 8, 0, rows))
    assert main(command()) == 0
    pixels = PreparedSet(tmp_path / "out" / "own").image(0)
    assert pixels.shape == (16, 20, 3)
    assert (pixels[:7] > 250).all()
    assert (pixels[9:] < 5).all()


@pytest.mark.parametrize("name", ["cmyk.jpg", "cmyk.tif"])
def test_cmyk_is_converted(folder, command, tmp_path, name):
    inks = {
        (0, 255, 255, 0): (255, 0, 0),
        (255, 0, 255, 0): (0, 255, 0),
        (0, 0, 0, 0): (255,) * 3,
        (0, 0, 0, 255): (0,) * 3,
    }
    image = Image.new("CMYK", (64, 16))
    for i, ink in enumerate(inks):
        image.paste(ink, (16 * i, 0, 16 * i + 16, 16))
    image.save(folder / name, **({"quality": 100} if name.endswith("jpg") else {}))
    if name.endswith("jpg"):
        content = (folder / name).read_bytes()
        assert b"Adobe" in content, "so stored inverted, as Adobe's programs do"
    assert main(command()) == 0
    pixels = PreparedSet(tmp_path / "out" / "own").image(0).astype(int)
    for i, expected in enumerate(inks.values()):
        assert np.abs(pixels[8, 16 * i + 8] - expected).max() < 6, f"ink {i}"


def ramp(dtype):
    """All 16-bit values there are, in a square."""
    return np.arange(1 << 16, dtype=dtype).reshape(256, 256)


def grey_pgm(path):
    path.write_bytes(b"P5 256 256 65535\n" + ramp(">u2").tobytes())


SIXTEEN = {
    "grey.png": lambda path: Image.fromarray(ramp("<u2")).save(path),
    "grey.tif": lambda path: Image.fromarray(ramp("<u2")).save(path),
    "big-endian.tif": lambda path: Image.fromarray(ramp(">u2")).save(path),
    "grey.pgm": grey_pgm,
}


@pytest.mark.parametrize("name", SIXTEEN)
def test_sixteen_bits_are_scaled_never_clipped(folder, command, tmp_path, name):
    SIXTEEN[name](folder / name)
    assert main(command(size=256)) == 0
    pixels = PreparedSet(tmp_path / "out" / "own").image(0)
    expected = np.rint(ramp(np.float64) / 257)
    assert (pixels == expected[:, :, None]).all()
    assert np.unique(pixels).size == 256


def test_sixteen_bits_a_colour(folder, command, tmp_path):
    values = np.stack([ramp(">u2"), ramp(">u2").T, ramp(">u2")[::-1]], axis=-1).astype(">u2")
    (folder / "colour.png").write_bytes(png(256, 256, 16, 2, (b"\0" + row.tobytes() for row in values)))
    assert main(command(size=256)) == 0
    pixels = PreparedSet(tmp_path / "out" / "own").image(0)
    assert np.abs(pixels - values.astype(float) / 257).max() <= 1


def test_enlarging_has_a_limit_too():
    assert resize(Image.new("RGB", (2, 60)), 16, "crop").size == (16, 480)
    with pytest.raises(ValueError, match="too thin"):
        resize(Image.new("RGB", (1, 60_000)), 256, "crop")


def test_colours_of_profiles_are_converted_and_counted(folder, command, tmp_path, capsys):
    flat = Image.new("RGB", (16, 16), (40, 160, 90))
    with Image.open(wheel_photographs()["rocket"]) as rocket:
        adobe = rocket.info["icc_profile"]
    for name, profile in {"plain": None, "adobe": adobe, "again": adobe, "damaged": b"no profile"}.items():
        flat.save(folder / f"{name}.png", icc_profile=profile)
    assert main(command()) == 0
    said = capsys.readouterr().out
    assert "; 2 converted to sRGB from the colours of their profile; 1 colour profile ignored (dam" in said
    prepared = PreparedSet(tmp_path / "out" / "own")
    assert (prepared.manifest.converted, prepared.manifest.profiles_ignored) == (2, 1)
    again, adobe, damaged, plain = (prepared.image(i).astype(int) for i in (1, 0, 2, 3))
    assert np.array_equal(again, adobe)
    assert np.array_equal(damaged, plain)
    assert (plain == (40, 160, 90)).all()
    assert np.abs(adobe - plain).max() > 20
    with Image.open(io.BytesIO(prepared._shards[0].read(0))) as stored:
        assert "icc_profile" not in stored.info, "it would be converted twice"
