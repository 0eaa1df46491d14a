"""`pqgan evaluate` with models, options and places that do not fit: one clear line and nothing left."""

import os
import shutil
from pathlib import Path

import pytest
import torch
from fault_photos import PIXELS, fill, photograph

from pqgan.cli import main
from pqgan.tokenizer.model import PQModel


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
    assert f"{weights.name}: damaged or cut short: 100 bytes" in refused(3, model=broken)


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
    monkeypatch.setattr("pqgan.evaluate.command.run.open_model", None)
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
        ({"out": "../photos/result"}, "--out: '../photos/result' lies in what --images names"),
        ({"out": "../photos"}, "--out: '../photos' is what --images names"),
        ({"out": ".."}, "--out: '..' holds the current folder"),
        ({"out": "kept", "reference": "kept"}, "--out: 'kept' is what --reference names"),
        ({"reference": "../photos/kept"}, "--reference: '../photos/kept' lies in what --images names"),
        ({"out": "/dev/null"}, "--out: '/dev/null' is a file; expected a folder"),
        ({"out": "/dev/null/result"}, "--out: '/dev/null/result' cannot be made: /dev/null is a file"),
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
    assert "mine' is there and has no SHA256SUMS; only evaluate results" in refused(2, out=mine)
    assert "mine' is there and has no SHA256SUMS; only reference results" in refused(2, out="out", reference=mine)
    assert run(*PIXELS, out="out") == 0
    Path("out/diary.txt").write_text("dear")
    assert run(*PIXELS, out="out") == 2
    assert (mine / "diary.txt").read_text() == Path("out/diary.txt").read_text() == "dear"
    Path("out/diary.txt").unlink()
    assert run(*PIXELS, out="out", pictures=0) == 0
    assert sorted(os.listdir("out")) == ["SHA256SUMS", "metrics.json"]


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
    assert "No space left on device" in refused(5, *PIXELS, out="out", prints="PSNR, dB")  # no number is lost


def test_too_few_generated_images(refused, folder, tmp_path):
    fill(folder, 5)
    (tmp_path / "made").mkdir()
    for i in range(3):
        photograph(16, 16, seed=i).save(tmp_path / "made" / f"{i}.png")
    assert "generated images: got 3; expected " in refused(3, model=None, generated=tmp_path / "made")
