"""`pqgan encode` and `pqgan decode`: what comes back, and what they say."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from pqgan.data.pixels import read_rgb
from pqgan.data.sources import wheel_photographs
from pqgan.engine import image_progress
from pqgan.quantise.codes import CodeFile
from pqgan.tokenizer import encode, pictures
from pqgan.tokenizer.load import load_tokenizer


def expected_codes_and_pixels(models: Path, kind: str, path: Path) -> tuple[np.ndarray, np.ndarray]:
    """What the model makes of an image by itself, through its own methods: codes, and 8-bit levels before rounding."""
    tokenizer = load_tokenizer(models / kind)
    pixels = np.asarray(read_rgb(path))
    height, width, _ = pixels.shape
    even = np.pad(pixels, ((0, height % 2), (0, width % 2), (0, 0)), mode="reflect")
    x = torch.from_numpy(even).permute(2, 0, 1)[None] / 127.5 - 1
    with torch.inference_mode():
        if kind == "pq":
            codes = tokenizer.model.encode_to_codes(x)
            image = tokenizer.model.decode_from_codes(codes)
        else:
            z_q, _, (_, _, indices) = tokenizer.model.quantize(tokenizer.model.encode(x).latents)
            codes = indices.view(1, 1, *z_q.shape[2:])
            z_q = tokenizer.model.quantize.embedding(codes[:, 0]).permute(0, 3, 1, 2)
            image = tokenizer.model.decode(z_q, force_not_quantize=True).sample
    levels = ((image[0] + 1) * 127.5).clamp(0, 255).permute(1, 2, 0)[:height, :width]
    return codes[0].numpy(), levels.numpy()


@pytest.mark.parametrize("kind", ["pq", "vqgan"])
def test_a_round_trip_is_what_the_model_makes_of_each_image(kind, command, models, images, capsys):
    assert command("encode", "--batch", "1", model=kind) == 0
    assert command("decode", "--batch", "1", model=kind) == 0
    with CodeFile("a.pqc") as file:
        names = [entry.name for entry in file.entries]
        assert names == sorted(path.relative_to(images).as_posix() for path in images.rglob("*.[pjw]*"))
        for index, entry in enumerate(file.entries):
            codes, pixels = expected_codes_and_pixels(models, kind, images / entry.name)
            assert np.array_equal(file.codes(index), codes), entry
            again = Image.open(Path("back", entry.name).with_suffix(".png"))
            assert again.mode == "RGB"
            assert again.size == (entry.width, entry.height)
            # the last bits of a convolution depend on how its memory lies, and decide which way a half is rounded
            assert np.abs(np.asarray(again) - pixels).max() <= 0.5 + 1e-3, entry
        sizes = {entry.name: (entry.width, entry.height) for entry in file.entries}
    assert sizes["1.png"] == (17, 9)
    assert sizes["deep ü/turned.jpg"] == (12, 20)
    assert len(list(Path("back").rglob("*"))) == len(names) + 1
    assert "; 1 other files left out\n" in capsys.readouterr().out


@pytest.mark.parametrize("batch", [(), ("--batch", "2")])
def test_batches_of_one_size_change_at_most_what_rounding_does(batch, command):
    assert command("encode", "--batch", "1", out="one.pqc") == 0
    assert command("encode", *batch) == 0
    with CodeFile("one.pqc") as one, CodeFile("a.pqc") as many:
        assert one.entries == many.entries
        pairs = [(one.codes(i) == many.codes(i)).mean() for i in range(len(one.entries))]
    assert np.mean(pairs) > 0.99
    assert command("decode", *batch) == 0
    assert command("decode", "--batch", "1", out="one") == 0
    for path in Path("back").rglob("*.png"):
        pair = [np.asarray(Image.open(each)).astype(int) for each in (path, Path("one", path.relative_to("back")))]
        assert np.abs(pair[0] - pair[1]).max() <= 1


def test_images_of_one_size_go_together(command, monkeypatch):
    seen = []
    monkeypatch.setattr(encode, "encoded", lambda t, x, d: seen.append(x.shape[:3]) or pictures.encoded(t, x, d))
    monkeypatch.setattr(encode, "decoded", lambda t, x, d: seen.append(x.shape[:1]) or pictures.decoded(t, x, d))
    assert command("encode") == 0
    assert sorted(seen) == [(1, 2, 2), (1, 10, 10), (1, 12, 20), (1, 20, 12), (2, 10, 18), (4, 16, 16)]
    seen.clear()
    assert command("decode", "--batch", "3") == 0
    assert sorted(seen) == [(1,), (1,), (1,), (1,), (1,), (2,), (3,)]


def test_the_last_line_tells_size_and_speed(command, images, capsys):
    assert command("encode") == 0
    line = capsys.readouterr().out
    size, given = Path("a.pqc").stat().st_size, sum(p.stat().st_size for p in images.rglob("*.[pjw]*"))
    pixels = 3 * 256 + 2 * 17 * 9 + 1 + 16 * 15 + 2 * 20 * 12 + 100
    told = re.fullmatch(
        r"a\.pqc: 10 images in ([\d,]+) bytes, ([\d.]+) bits a pixel; the image files have ([\d,]+) bytes, ([\d.]+) "
        r"times that; ([\d.]+) images/s on CPU, \d+ threads?; 1 other files left out\n",
        line,
    )
    assert [int(told[i].replace(",", "")) for i in (1, 3)] == [size, given]
    assert float(told[2]) == pytest.approx(8 * size / pixels, abs=1e-3)
    assert float(told[4]) == pytest.approx(given / size, rel=5e-3)
    assert command("decode") == 0
    assert re.fullmatch(r"back: 10 images; [\d.]+ images/s on CPU, \d+ threads?\n", capsys.readouterr().out)


def test_lines_where_no_terminal_is_attached(command, monkeypatch, capsys):
    monkeypatch.setattr(image_progress, "LINE_EVERY", 0)
    assert command("encode", "--batch", "1") == 0
    first, *more = capsys.readouterr().err.splitlines()
    assert re.fullmatch(r"encode 1/10 images, [\d.]+ images/s, [\d:]+ left", first)
    assert len(more) == 8


def test_a_bar_where_a_terminal_is(command, monkeypatch, capsys):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    assert command("encode") == 0
    said = capsys.readouterr()
    assert re.search(r"encode: 100%.*10/10 .*image/s", said.err)
    assert said.out.count("\n") == 1


def test_squares_of_a_size(command, images):
    assert command("encode", "--size", "12") == 0
    assert command("decode") == 0
    files = list(Path("back").rglob("*.png"))
    assert len(files) == 10
    assert {Image.open(path).size for path in files} == {(12, 12)}


def test_images_that_differ_in_their_suffix_alone_are_kept_apart(command, images):
    Image.open(images / "0.png").save(images / "0.jpg")
    assert command("encode") == 0
    assert command("decode") == 0
    files = {path.relative_to("back").as_posix() for path in Path("back").rglob("*.png")}
    assert {"0.jpg.png", "0.png.png", "deep ü/grey 写.jpg.png"} <= files
    assert len(files) == 11


def test_the_command_itself_from_a_folder_with_nothing_else(models, images, tmp_path):
    (tmp_path / "work").mkdir()
    shell = [Path(sys.executable).with_name("pqgan"), "encode", "--model", models / "pq", "--images", images]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(
        [*shell, "--out", "a.pqc"], cwd=tmp_path / "work", env=environment, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("a.pqc: 10 images in ")
    assert os.listdir(tmp_path / "work") == ["a.pqc"]


@pytest.mark.parametrize("verb", ["encode", "decode"])
def test_help_comes_without_torch(verb):
    code = (
        "import sys\nfrom pqgan.cli import main\n"
        f"try: main(['{verb}', '--help'])\nexcept SystemExit: print({{'torch', 'numpy'}} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.endswith("set()\n")
    assert "--model MODEL" in done.stdout


def test_colours_of_profiles_are_converted_and_counted(command, models, images, capsys):
    with Image.open(wheel_photographs()["rocket"]) as rocket:
        adobe = rocket.info["icc_profile"]
    with Image.open(images / "0.png") as plain:
        plain.save(images / "adobe.png", icc_profile=adobe)
        plain.save(images / "damaged.png", icc_profile=b"no profile")
    assert command("encode", "--batch", "1") == 0
    told = "; 1 converted to sRGB from the colours of their profile; 1 colour profile ignored (damaged, or"
    assert told in capsys.readouterr().out
    with CodeFile("a.pqc") as file:
        codes = {entry.name: file.codes(index) for index, entry in enumerate(file.entries)}
    assert np.array_equal(codes["damaged.png"], codes["0.png"])
    assert not np.array_equal(codes["adobe.png"], codes["0.png"])
    assert np.array_equal(codes["adobe.png"], expected_codes_and_pixels(models, "pq", images / "adobe.png")[0])


def test_names_of_all_kinds_come_back(command, images, tmp_path):
    (tmp_path / "odd").mkdir()
    names = ["re\rturn", "new\nline", "tab\t", 'a "quote", and a comma', "\x1b[31m"]
    for name in names:
        shutil.copy(images / "0.png", tmp_path / "odd" / f"{name}.png")
    assert command("encode", images=tmp_path / "odd") == 0
    assert command("decode") == 0
    assert sorted(os.listdir("back")) == sorted(f"{name}.png" for name in names)
