"""`pqgan encode` and `pqgan decode`: what is refused, in one line, and that nothing is left behind."""

import errno
import os
import re
import shutil
import signal
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import psutil
import pytest
import torch
from PIL import Image

from pqgan.quantise import codes
from pqgan.quantise.codes import CodeFile, new_code_file
from pqgan.quantise.packing import packed_size
from pqgan.tokenizer import encode
from pqgan.tokenizer.model import PQModel


def failed(capsys, verb: str) -> str:
    """The one line of an error; nothing is left, not even beside the target."""
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.count("\n") == 1, said.err
    assert said.err.startswith(f"pqgan {verb}: ")
    assert os.listdir() in ([], ["a.pqc"])
    return said.err


@pytest.mark.parametrize("model", ["other", "larger", "vqgan"])
def test_another_tokenizer_is_refused(command, capsys, model):
    assert command("encode") == 0
    capsys.readouterr()
    assert command("decode", model=model) == 3
    line = failed(capsys, "decode")
    told = r"whose config and weights have the sha256 (\w{12})"
    found = re.search(
        rf"codes of a PQModel f2-d4-S2-K11 {told}; .* is a \w+ f2-d4-S\d-K1\d {told}; give the former", line
    )
    assert found[1] != found[2]


def test_continuous_latents_have_no_codes(command, capsys):
    assert command("encode", model="kl") == 3
    assert "an AutoencoderKL has continuous latents and no codes; give a PQModel or VQModel" in failed(capsys, "encode")


@pytest.mark.parametrize(
    ("name", "value"), [("quant_conv.weight", "nan"), ("decoder.conv_out.bias", "inf"), ("quantiser.codebooks", "nan")]
)
def test_weights_that_are_not_finite_are_refused(command, models, tmp_path, capsys, name, value):
    model = PQModel.from_pretrained(models / "pq")
    model.get_parameter(name).data.view(-1)[1] = float(value)
    model.save_pretrained(tmp_path / "diverged")
    assert command("encode", model=tmp_path / "diverged") == 4
    line = failed(capsys, "encode")
    assert f"diverged: {name}, the first of 1 tensors, is not finite; the tokenizer diverged: train it again" in line


def test_latents_that_are_not_finite_are_refused(command, models, tmp_path, capsys):
    model = PQModel.from_pretrained(models / "pq")
    model.quant_conv.weight.data.fill_(3e38)
    model.save_pretrained(tmp_path / "diverged")
    assert command("encode", model=tmp_path / "diverged") == 4
    assert "latents is not finite at" in failed(capsys, "encode")


def test_bad_images_are_all_named(command, images, capsys):
    (images / "1.png").write_bytes((images / "1.png").read_bytes()[:60])
    (images / "6.png").write_text("<html>")
    assert command("encode") == 3
    line = failed(capsys, "encode")
    assert re.search(r"images: 2 of 10 images cannot be read; replace or remove them: 1\.png \(.*\); 6\.png \(", line)


def test_names_that_a_code_file_cannot_hold(command, images, capsys):
    (images / "0.png").rename(images / "back\\slash.png")
    assert command("encode") == 3
    assert "1 images that a code file cannot hold; rename them: back\\slash.png (a name" in failed(capsys, "encode")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"model": "none"}, "model: got '.*none'; allowed: the folder of a model, .* or a published name: pqgan-f8, "),
        ({"images": "none"}, "--images: none: no such folder; expected one of images"),
        ({"images": "."}, "holds no images; expected files ending in"),
        ({"out": "."}, "--out: '.' is a folder; expected a file to write"),
    ],
)
def test_a_wrong_path_is_one_line(command, capsys, given, message):
    assert command("encode", **given) in (2, 3)
    assert re.search(message, failed(capsys, "encode"))


def test_nothing_but_a_code_file_is_replaced(command, images, capsys):
    before = (images / "0.png").read_bytes()
    assert command("encode", out=images / "0.png") == 2
    assert "0.png' is there and not a whole code file; choose another name" in failed(capsys, "encode")
    assert (images / "0.png").read_bytes() == before
    assert command("encode") == 0
    assert command("encode", "--size", "8") == 0
    with CodeFile("a.pqc") as file:
        assert file.entries[0].width == 8


def test_a_code_file_that_was_changed_is_not_replaced(command, capsys):
    assert command("encode") == 0
    capsys.readouterr()
    changed = Path("a.pqc").read_bytes() + b"my notes"
    Path("a.pqc").write_bytes(changed)
    assert command("encode") == 2
    assert "is there and not a whole code file" in failed(capsys, "encode")
    assert Path("a.pqc").read_bytes() == changed


def test_a_folder_in_use_is_never_replaced(command, tmp_path, capsys):
    assert command("encode") == 0
    capsys.readouterr()
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/diary.txt").write_text("dear")
    for out, why in ((tmp_path / "mine", "is there and no empty folder"), (tmp_path / "mine/diary.txt", "is a file")):
        assert command("decode", out=out) == 2
        assert why in failed(capsys, "decode")
    assert (tmp_path / "mine/diary.txt").read_text() == "dear"


def test_files_that_appear_meanwhile_are_kept(command, tmp_path, capsys, monkeypatch):
    assert command("encode") == 0
    capsys.readouterr()
    out = tmp_path / "empty"
    out.mkdir()
    monkeypatch.setattr(encode, "_save", lambda *_: (out / "diary.txt").write_text("dear"))
    assert command("decode", out=out) == 2
    failed(capsys, "decode")
    assert os.listdir(out) == ["diary.txt"]
    (out / "diary.txt").unlink()
    monkeypatch.undo()
    assert command("decode", out=out, codes=tmp_path / "work/a.pqc") == 0
    assert len(list(out.iterdir())) == 8


def test_a_code_file_cut_short_is_one_line(command, capsys):
    assert command("encode") == 0
    capsys.readouterr()
    Path("a.pqc").write_bytes(Path("a.pqc").read_bytes()[:-1])
    assert command("decode") == 3
    assert "a.pqc: damaged or cut short (" in failed(capsys, "decode")


def test_a_missing_device_is_one_line(command, capsys):
    if torch.cuda.is_available():
        pytest.skip("there is one")
    assert command("encode", "--device", "cuda") == 5
    assert "--device: got 'cuda', but torch sees no CUDA device" in failed(capsys, "encode")


@pytest.mark.parametrize("verb", ["encode", "decode"])
def test_too_little_memory_is_one_line(verb, command, capsys, monkeypatch):
    if verb == "decode":
        assert command("encode") == 0
        capsys.readouterr()

    def allocate(*_):
        torch.empty(1 << 60, dtype=torch.uint8)

    monkeypatch.setattr(PQModel, f"{verb}_to_codes" if verb == "encode" else "decode_from_codes", allocate)
    assert command(verb) == 5
    assert re.search(r"out of memory with .*x\d+ px; lower --batch", failed(capsys, verb))


@pytest.mark.parametrize("verb", ["encode", "decode"])
def test_memory_that_there_is_not_is_not_asked_for(verb, command, capsys, monkeypatch):
    """A system that gives more than it has ends the process once it is used, without a word."""
    if verb == "decode":
        assert command("encode") == 0
        capsys.readouterr()
    least = 2 * 4 * 4 * 16 * 16  # four channels at full size, in and out
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=least - 1))
    assert command(verb, "--batch", "1") == 5
    assert re.search(r"out of memory with an image of \d+x\d+ px; lower --batch", failed(capsys, verb))


def test_absurd_sizes_and_batches_are_one_line(command, capsys):
    assert command("encode", "--size", "20000") == 2
    assert "--size: got 20000; allowed: up to 16384" in failed(capsys, "encode")
    for option in ("--size", "--batch"):
        with pytest.raises(SystemExit, match="2"):
            command("encode", option, str(10**30))
        assert "expected at most" in capsys.readouterr().err
    assert command("encode", "--batch", "1000") == 0
    assert command("decode", "--batch", "1000") == 0


@pytest.mark.parametrize("verb", ["encode", "decode"])
def test_a_full_disk_leaves_nothing(verb, command, capsys, monkeypatch):
    if verb == "decode":
        assert command("encode") == 0
        capsys.readouterr()

    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    assert command(verb) == 5
    assert "cannot be written: No space left on device; free space" in failed(capsys, verb)


@pytest.mark.parametrize("verb", ["encode", "decode"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_leaves_nothing(verb, number, command, capsys, monkeypatch):
    if verb == "decode":
        assert command("encode") == 0
    left = os.listdir()
    monkeypatch.setattr(encode, f"{verb}d", lambda *_: signal.raise_signal(number))
    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    # a shell starts what runs in its background deaf to it
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        if number == signal.SIGINT:
            assert command(verb) == 130
        else:
            with pytest.raises(SystemExit) as ended:
                command(verb)
            assert ended.value.code == 143
    finally:
        signal.signal(signal.SIGTERM, before[0])
        signal.signal(signal.SIGINT, before[1])
    assert os.listdir() == left


def test_more_pixels_than_any_image_may_have_are_refused_undecoded(command, models, capsys, monkeypatch):
    header = encode._open(models / "vqgan", "cpu")[1]
    with new_code_file("a.pqc", header) as writer:
        writer.add("a.png", np.zeros((1, 2, 256), np.uint8), 512, 4)
    monkeypatch.setattr(encode, "MAX_PIXELS", 2048)
    assert command("decode", model="vqgan", out="whole") == 0
    assert Image.open("whole/a.png").size == (512, 4)
    capsys.readouterr()
    shutil.rmtree("whole")
    monkeypatch.setattr(encode, "MAX_PIXELS", 2047)
    assert command("decode", model="vqgan") == 3
    assert "a.pqc: 1 images of more than 2047 pixels: a.png" in failed(capsys, "decode")


def test_no_images_are_refused(command, models, capsys):
    with new_code_file("a.pqc", encode._open(models / "pq", "cpu")[1]):
        pass
    assert command("decode") == 3
    assert "a.pqc: holds no images" in failed(capsys, "decode")


def test_a_code_outside_its_codebook_leaves_nothing(command, models, capsys, monkeypatch):
    monkeypatch.setattr(codes, "pack", lambda values, K: b"\xff" * packed_size(values.size, K))
    with new_code_file("a.pqc", encode._open(models / "pq", "cpu")[1]) as writer:
        writer.add("a.png", np.zeros((2, 1, 1), np.uint8), 2, 2)
    assert command("decode") == 3
    assert "'a.png': code 15 at (subspace, row, column) (0, 0, 0); allowed: 0 to 10" in failed(capsys, "decode")


def test_names_that_are_folders_too_are_refused(command, models, capsys):
    with new_code_file("a.pqc", encode._open(models / "pq", "cpu")[1]) as writer:
        for name in ("a.jpg", "a.png/b", "a.jpg.png/b"):
            writer.add(name, np.zeros((2, 1, 1), np.uint8), 2, 2)
    assert command("decode") == 3
    assert "names, with .png, are those of folders" in failed(capsys, "decode")
