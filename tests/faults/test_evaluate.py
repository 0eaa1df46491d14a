"""`pqgan evaluate` on whatever people have in their folders: the right pixels, or one clear line and nothing left."""

import os
import re
import shutil
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from pqgan.cli import main
from pqgan.errors import SettingsError
from pqgan.evaluate.places import check_out
from pqgan.records import read_record
from pqgan.tokenizer.model import PQModel

PIXELS = ("--without", "lpips,rfid,cmmd")
"""Needs no feature network."""


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    """F=2."""
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("models") / "tiny"
    PQModel(
        block_out_channels=(4, 8), layers_per_block=1, norm_num_groups=2, z_channels=8, d=4, S=2, K=11
    ).save_pretrained(folder)
    return folder


@pytest.fixture
def folder(tmp_path) -> Path:
    path = tmp_path / "photos"
    path.mkdir()
    return path


@pytest.fixture
def run(tmp_path, monkeypatch, model, folder):
    """Run it in an empty folder, without a network; the exit code."""
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    torch.set_num_threads(1)

    def evaluate(*more, **given) -> int:
        given = {"model": model, "images": folder, "size": 16, "features": "random", **given}
        options = (part for key, value in given.items() if value is not None for part in (f"--{key}", value))
        return main(["evaluate", *map(str, (*options, *more))])

    return evaluate


@pytest.fixture
def refused(run, capsys):
    """Run it; the one line of its error, after a look that nothing is left."""

    def evaluate(code: int, *more, **given) -> str:
        before = set(Path().rglob("*"))
        assert run(*more, **given) == code
        said = capsys.readouterr()
        assert said.out == ""
        assert said.err.count("\n") == 1, said.err
        assert said.err.startswith("pqgan evaluate: ")
        assert set(Path().rglob("*")) == before
        return said.err

    return evaluate


def photograph(width=24, height=20, seed=0) -> Image.Image:
    coarse = np.random.default_rng(seed).integers(0, 256, (4, 4, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)


def fill(folder: Path, n: int, first: int = 0) -> None:
    for i in range(first, first + n):
        photograph(24 + i, seed=i).save(folder / f"good{i:02}.png")


def seen(n: int) -> list[np.ndarray]:
    """The first n originals as they were measured."""
    return [np.asarray(Image.open(f"out/pictures/{i}_original.png")).astype(int) for i in range(n)]


FLAT = (200, 40, 90)


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
    monkeypatch.setattr("pqgan.evaluate.command.Networks", None)
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


def test_a_folder_that_holds_itself(refused, folder):
    fill(folder, 1)
    (folder / "again").symlink_to(folder)
    assert "links to a folder that it lies in; remove it" in refused(3)


def test_copies_are_counted_and_measured(run, folder, capsys):
    fill(folder, 2)
    for name in ("copy.png", "another copy.png"):
        shutil.copy(folder / "good00.png", folder / name)
    assert run(*PIXELS, out="out") == 0
    assert read_record("out").get("psnr").n == 4
    assert "copies of others among them: 2" in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize(("size", "nearest"), [(17, "16 or 18"), (1, "2")])
def test_a_size_that_the_model_does_not_divide(refused, folder, size, nearest):
    fill(folder, 1)
    assert f"size: got images of {size} px for a tokenizer with F=2; allowed: {nearest}\n" in refused(2, size=size)


def test_folders_that_are_no_model(refused, folder, tmp_path, model):
    fill(folder, 1)
    assert "config.json: no such file; expected the folder of a trained tokenizer" in refused(3, model=folder)
    broken = tmp_path / "broken"
    shutil.copytree(model, broken)
    (broken / "config.json").write_text('{"_class_name": "UNet2DModel"}')
    assert "config.json: _class_name is 'UNet2DModel'; expected PQModel, " in refused(3, model=broken)
    shutil.copy(model / "config.json", broken)
    weights = broken / "diffusion_pytorch_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:100])
    assert "broken: cannot be loaded as PQModel" in refused(3, model=broken)


@pytest.mark.parametrize(
    ("model", "code", "message"),
    [
        ("nonsense", 2, "model: got 'nonsense'; allowed: the folder of a model"),
        ("nobody/nothing", 5, "nobody/nothing is no folder here, nor in the Hugging Face cache, and cannot"),
        ("../photos/good00.png", 2, "model: got the file ../photos/good00.png; allowed: .safetensors"),
    ],
)
def test_models_that_are_not_there(refused, folder, model, code, message):
    fill(folder, 1)
    assert message in refused(code, model=model)


def test_a_model_that_diverged(refused, folder, model, tmp_path):
    fill(folder, 3)
    diverged = PQModel.from_pretrained(model)
    diverged.decoder.conv_out.bias.data[0] = float("nan")
    diverged.save_pretrained(tmp_path / "diverged")
    assert "not finite; the model that made it diverged" in refused(4, *PIXELS, model=tmp_path / "diverged")


def test_missing_networks_are_all_named_before_any_work(refused, folder, tmp_path, monkeypatch):
    monkeypatch.setenv("PQGAN_WEIGHTS_DIR", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr("pqgan.evaluate.command.open_model", None)
    fill(folder, 1)
    line = refused(5, features="pretrained")
    for name in ("inception", "alexnet", "vgg16", "clip-vit-large"):
        assert name in line
    assert "leave metrics out (--without)" in line
    line = refused(5, "--without", "cmmd,lpips", features="pretrained")
    assert "inception" in line
    assert "clip" not in line.partition("features.weights")[0]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"device": "cuda"}, "--device: got 'cuda', but torch sees no CUDA device"),
        ({"out": "../photos/result"}, "--out: ../photos/result lies in what --images names"),
        ({"out": "../photos"}, "--out: ../photos is what --images names"),
        ({"out": ".."}, "--out: .. holds what --images names"),
        ({"out": "kept", "reference": "kept"}, "--out: kept is what --reference names"),
        ({"reference": "../photos/kept"}, "--reference: ../photos/kept lies in what --images names"),
        ({"out": "/dev/null"}, "--out: /dev/null is a file; expected a folder"),
        ({"out": "/dev/null/result"}, "--out: /dev/null is a file; expected a folder"),
        ({"reference": "kept", "without": "rfid,cmmd"}, "--reference: holds what rfid and cmmd need"),
        ({"model": None, "generated": "../photos", "without": "cmmd"}, "--without: belongs to reconstructions"),
    ],
)
def test_options_that_do_not_fit(refused, folder, given, message):
    if "device" in given and torch.cuda.is_available():
        pytest.skip("there is one")
    fill(folder, 1)
    assert message in refused(5 if "device" in given else 2, **given)


def test_only_an_earlier_result_is_replaced(run, refused, folder, tmp_path):
    fill(folder, 1)
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "diary.txt").write_text("dear")
    assert "mine is there and no result of pqgan evaluate; choose another" in refused(2, out=mine)
    assert "mine is there and no result" in refused(2, out="out", reference=mine)
    assert run(*PIXELS, out="out") == 0
    Path("out/diary.txt").write_text("dear")
    assert run(*PIXELS, out="out") == 2
    assert (mine / "diary.txt").read_text() == Path("out/diary.txt").read_text() == "dear"
    Path("out/diary.txt").unlink()
    assert run(*PIXELS, out="out", pictures=0) == 0
    assert os.listdir("out") == ["metrics.json"]


def test_a_folder_that_cannot_be_written(tmp_path):
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o500)
    if os.access(locked, os.W_OK):
        pytest.skip("root writes everywhere")
    with pytest.raises(SettingsError, match=r"cannot be made: .*locked is not writable"):
        check_out(locked / "deep" / "out", "out")


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--model", "x"],
        ["--images", "x"],
        ["--model", "x", "--generated", "y", "--images", "z"],
        ["--model", "x", "--images", "y", "--size", "0"],
        ["--model", "x", "--images", "y", "--limit", "-1"],
        ["--model", "x", "--images", "y", "--without", "psnr"],
        ["--model", "x", "--images", "y", "--lpips", "alex,resnet"],
        ["--model", "x", "--images", "y", "--geometry", "stretch"],
    ],
)
def test_misuse_exits_with_2(arguments, capsys):
    with pytest.raises(SystemExit) as caught:
        main(["evaluate", *arguments])
    assert caught.value.code == 2
    assert "usage: pqgan evaluate" in capsys.readouterr().err


def test_too_little_memory_names_the_knobs(refused, folder, monkeypatch):
    def allocate(*_):
        raise torch.OutOfMemoryError("Tried to allocate 9.00 GiB")

    monkeypatch.setattr(PQModel, "encode_to_codes", allocate)
    fill(folder, 1)
    assert "out of memory; lower --batch, or evaluate at a smaller --size" in refused(5, *PIXELS)


def test_a_worker_that_dies_names_the_option(refused, folder, monkeypatch):
    monkeypatch.setattr("pqgan.data.folder_set.FolderSet.label", lambda *_: os._exit(9))
    fill(folder, 3)
    line = refused(5, *PIXELS, workers=1)
    assert "--workers: worker" in line
    assert "hardware" not in line


def test_a_full_disk_leaves_nothing(refused, folder, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pqgan.evaluate.reconstruction.save_png", full)
    fill(folder, 1)
    assert "No space left on device" in refused(5, *PIXELS, out="out")


def test_too_few_generated_images(refused, folder, tmp_path):
    fill(folder, 5)
    (tmp_path / "made").mkdir()
    for i in range(3):
        photograph(16, 16, seed=i).save(tmp_path / "made" / f"{i}.png")
    assert "generated images: got 3; expected " in refused(3, model=None, generated=tmp_path / "made")
