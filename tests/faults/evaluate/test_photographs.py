"""`pqgan evaluate` on whatever people have in their folders: the right pixels, or one clear line and nothing left."""

import os
import re
import shutil
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from fault_photos import PIXELS, fill, photograph
from PIL import Image

from pqgan.data.sources import wheel_photographs
from pqgan.records import read_record

FLAT = (200, 40, 90)


def seen(n: int) -> list[np.ndarray]:
    """The first n originals as they were measured."""
    return [np.asarray(Image.open(f"out/pictures/{i}_original.png")).astype(int) for i in range(n)]


def flat(width=20, height=20, mode="RGB") -> Image.Image:
    return Image.new("RGB", (width, height), FLAT).convert(mode)


def grey_alpha(path):
    Image.merge("LA", [Image.new("L", (20, 20), 0), Image.new("L", (20, 20), 128)]).save(path)


def half_transparent(path):
    image = flat()
    image.putalpha(128)
    image.save(path)


def turned(path):
    """Left half white; upright the upper half is."""
    image = Image.new("RGB", (40, 40))
    image.paste("white", (0, 0, 20, 40))
    exif = Image.Exif()
    exif[0x0112] = 6
    image.save(path, exif=exif, quality=95)


def upright(pixels):
    return (pixels[:6] > 250).all() and (pixels[10:] < 5).all()


def animated(path):
    frames = [flat(), Image.new("RGB", (20, 20)), Image.new("RGB", (20, 20), "white")]
    frames[0].save(path, save_all=True, append_images=frames[1:])


def png16(path, colour):
    """A 16-bit PNG of one value a channel, 257 times an 8-bit one."""
    values = {0: (120,), 2: FLAT}[colour]

    def chunk(kind, content):
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    row = b"\0" + b"".join(struct.pack(">H", 257 * value) for value in values) * 20
    header = struct.pack(">IIBBBBB", 20, 20, 16, colour, 0, 0, 0)
    content = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(row * 20)) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + content)


KINDS = {
    "one pixel.png": (lambda path: flat(1, 1).save(path), FLAT),
    "ten pixels.png": (lambda path: flat(10, 10).save(path), FLAT),
    "grey.png": (lambda path: Image.new("L", (20, 20), 77).save(path), (77,) * 3),
    "one bit.png": (lambda path: Image.new("1", (20, 20), 1).save(path), (255,) * 3),
    "grey and alpha.png": (grey_alpha, (127,) * 3),
    "alpha.png": (half_transparent, tuple(255 - (255 - value) * 128 / 255 for value in FLAT)),
    "palette.png": (lambda path: flat().quantize(4).save(path), FLAT),
    "inks.jpg": (lambda path: flat(mode="CMYK").save(path, quality=100), FLAT),
    "deep grey.png": (lambda path: png16(path, 0), (120,) * 3),
    "deep colour.png": (lambda path: png16(path, 2), FLAT),
    "turned.jpg": (turned, upright),
    "moving.gif": (animated, FLAT),
    "SHOUTED.JPEG": (lambda path: flat().save(path, "JPEG", quality=100), FLAT),
    "long.png": (lambda path: flat(20, 2000).save(path), FLAT),
    "naïve 写真.png": (lambda path: flat().save(path), FLAT),
}
"""File -> what makes it, and its colour once it is upright 8-bit RGB over white, or what to ask of its pixels."""


def test_every_kind_of_image_is_measured_as_what_it_shows(run, folder, capsys):
    for name, (make, _) in KINDS.items():
        make(folder / name)
    (folder / "more").mkdir()
    flat().save(folder / "more" / "last.webp", lossless=True)
    for name in ("notes.txt", "model.safetensors", ".hidden.png", "more/Thumbs.db"):
        (folder / name).touch()
    assert run(*PIXELS, out="out", pictures=99) == 0
    names = sorted([*KINDS, "more/last.webp"])
    for name, pixels in zip(names, seen(len(names)), strict=True):
        expected = KINDS.get(name, (None, FLAT))[1]
        assert pixels.shape == (16, 16, 3)
        if callable(expected):
            assert expected(pixels), name
        else:
            assert np.abs(pixels - expected).max() <= 4, f"{name}: {pixels[8, 8]}, not {expected}"
    record = read_record("out")
    assert record.get("psnr").n == record.get("ssim").n == len(names)
    assert record.provenance["images"]["others"] == 4
    assert "4 other files skipped" in capsys.readouterr().out


def half(path):
    photograph().save(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def bomb(path):
    """Declares 400 million pixels."""
    photograph().save(path)
    content = bytearray(path.read_bytes())
    content[16:24] = struct.pack(">II", 20_000, 20_000)
    content[29:33] = struct.pack(">I", zlib.crc32(content[12:29]))
    path.write_bytes(content)


BAD = {
    "half.jpg": (half, "(?i:truncated)"),
    "half.png": (half, "truncated"),
    "empty.png": (Path.touch, "an empty file"),
    "page.jpg": (lambda path: path.write_text("<!DOCTYPE html>"), "not an image in one of JPEG"),
    "huge.png": (bomb, r"400000000 pixels\) exceeds limit"),
    "thin.png": (lambda path: Image.new("L", (1, 60_000)).save(path), "too thin: 1x60000 px"),
    "float.tif": (lambda path: Image.fromarray(np.zeros((4, 4), np.float32)).save(path), "floating-point pixels"),
    "gone.png": (lambda path: path.symlink_to("nowhere.png"), "No such file or directory"),
    "pipe.png": (os.mkfifo, "not a regular file"),
    "new\nline.png": (half, "truncated"),
}
"""File -> what makes it, and what is to be said of it."""


def test_all_bad_images_are_named_at_once(refused, folder):
    fill(folder, 3)
    for name, (make, _) in BAD.items():
        make(folder / name)
    # so wide a square takes the thin image beyond the limit
    line = refused(3, size=128)
    assert f"photos: {len(BAD)} of {len(BAD) + 3} images cannot be read; replace or remove them: " in line
    for name, (_, reason) in BAD.items():
        told = ascii(name) if "\n" in name else name
        assert re.search(rf"{re.escape(told)} \([^;]*{reason}", line), f"{name} in {line}"
    assert "good" not in line


def test_of_many_bad_images_twelve_are_named(refused, folder):
    for i in range(20):
        half(folder / f"{i:02}.png")
    line = refused(3)
    assert "20 of 20 images cannot be read" in line
    assert line.count(".png (") == 12
    assert line.endswith("and 8 more\n")


def test_nothing_is_computed_before_every_image_is_read(refused, folder, monkeypatch):
    monkeypatch.setattr("pqgan.evaluate.command.run.Networks", None)
    fill(folder, 3)
    half(folder / "zz.png")
    assert "1 of 4 images cannot be read; replace or remove them: zz.png (" in refused(3)


def test_a_folder_without_images(refused, folder):
    (folder / "notes.txt").touch()
    assert "photos: holds no images; expected files ending in .bmp, " in refused(3)


def test_no_such_folder(refused, folder):
    assert "--images: nowhere: no such folder; expected one of images" in refused(3, images="nowhere")
    assert "--generated: nowhere: no such folder" in refused(3, model=None, generated="nowhere")


def test_a_file_is_no_folder(refused, folder):
    fill(folder, 1)
    assert "good00.png: is a file; expected one of images" in refused(3, images=folder / "good00.png")


def test_names_that_are_no_text(refused, folder):
    fill(folder, 1)
    shutil.copy(folder / "good00.png", os.fsencode(folder) + b"/\xff.png")
    assert r"1 images have names that are not UTF-8; rename them: '\udcff.png'" in refused(3)


def test_a_folder_whose_name_is_no_text(refused, folder):
    fill(folder, 1)
    odd = os.fsdecode(os.fsencode(folder) + b"-\xff")
    os.rename(folder, odd)
    line = refused(2, images=odd)
    assert "--images: got " in line
    assert r"-\udcff'; rename it: metrics.json takes UTF-8 alone" in line


def test_a_folder_that_cannot_be_read(refused, folder):
    fill(folder, 1)
    (folder / "locked").mkdir(mode=0)
    if os.access(folder / "locked", os.R_OK):
        pytest.skip("root reads everything")
    assert "locked: Permission denied; every folder of a set must be readable" in refused(3)


def test_an_image_that_cannot_be_read(refused, folder):
    fill(folder, 2)
    os.chmod(folder / "good01.png", 0)
    if os.access(folder / "good01.png", os.R_OK):
        pytest.skip("root reads everything")
    assert "1 of 2 images cannot be read; replace or remove them: good01.png (Permission denied)" in refused(3)


def test_a_link_to_a_folder_that_the_images_lie_in(refused, folder):
    fill(folder, 1)
    (folder / "above").symlink_to(folder.parent)
    assert f"a folder that {folder} lies in; remove it" in refused(3)


def test_copies_are_counted_and_measured(run, folder, capsys):
    fill(folder, 2)
    for name in ("copy.png", "another copy.png"):
        shutil.copy(folder / "good00.png", folder / name)
    assert run(*PIXELS, out="out") == 0
    assert read_record("out").get("psnr").n == 4
    assert "copies of others among them: 2" in " ".join(capsys.readouterr().out.split())


def test_colours_of_profiles_are_converted_and_counted(run, folder, capsys):
    with Image.open(wheel_photographs()["rocket"]) as rocket:
        adobe = rocket.info["icc_profile"]
    for name, profile in {"adobe": adobe, "damaged": b"no profile", "plain": None}.items():
        flat().save(folder / f"{name}.png", icc_profile=profile)
    assert run(*PIXELS, out="out") == 0
    table = " ".join(capsys.readouterr().out.split())
    assert "; 1 converted to sRGB from the colours of their profile; 1 colour profile ignored" in table
    about = read_record("out").provenance["images"]
    assert (about["converted"], about["profiles_ignored"]) == (1, 1)
    converted, damaged, plain = seen(3)
    assert np.array_equal(damaged, plain)
    assert np.abs(converted - plain).max() > 20
