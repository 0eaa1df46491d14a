"""`pqgan export`: half the bytes or fewer, the same model, and one line where there is none."""

import json
import resource
import subprocess
import sys

import pytest
import torch

from pqgan.cli import main
from pqgan.storage.manifest import damages
from pqgan.tokenizer.load import load_model
from pqgan.tokenizer.model import PQModel

WEIGHTS = "diffusion_pytorch_model.safetensors"


def export(*options) -> int:
    return main(["export", *map(str, options)])


@pytest.mark.parametrize(
    ("dtype", "error", "share"), [("fp32", 0.0, 1.01), ("bf16", 2**-8, 0.65), ("fp16", 2**-10, 0.65)]
)
def test_weights_are_rounded_and_nothing_else_changes(tiny_pq, tmp_path, capsys, dtype, error, share):
    assert export("--model", tiny_pq, "--out", tmp_path / "out", "--dtype", dtype) == 0
    assert f"PQModel in {dtype}, " in capsys.readouterr().out
    before, after = load_model(tiny_pq).state_dict(), load_model(tmp_path / "out").state_dict()
    assert before.keys() == after.keys()
    for name, weight in before.items():
        assert after[name].dtype == torch.float32
        torch.testing.assert_close(after[name], weight, rtol=error, atol=1e-7)
    assert torch.equal(after["quantiser.codebooks"], before["quantiser.codebooks"])  # whatever the rest is in
    rounded = [name for name, weight in before.items() if not torch.equal(after[name], weight)]
    assert bool(rounded) == (dtype != "fp32")
    was, now = ((folder / "config.json").read_text() for folder in (tiny_pq, tmp_path / "out"))
    assert now == was
    assert str(tmp_path) not in now
    assert (tmp_path / "out" / WEIGHTS).stat().st_size <= share * (tiny_pq / WEIGHTS).stat().st_size
    assert damages(tmp_path / "out") == []


def test_it_opens_as_any_diffusers_model_and_computes_in_float32(tiny_pq, tmp_path):
    assert export("--model", tiny_pq, "--out", tmp_path / "out") == 0
    model = PQModel.from_pretrained(tmp_path / "out", torch_dtype=torch.float32)
    images = torch.rand(1, 3, 16, 16) * 2 - 1
    with torch.inference_mode():
        assert torch.equal(model.eval()(images).sample, load_model(tmp_path / "out").eval()(images).sample)


def test_a_model_from_before_latent_channels_gets_them(tiny_pq, tmp_path):
    model = tmp_path / "model"
    load_model(tiny_pq).save_pretrained(model)
    path = model / "config.json"
    config = json.loads(path.read_text())
    channels = config.pop("latent_channels")
    path.write_text(json.dumps(config))
    assert export("--model", model, "--out", tmp_path / "out") == 0
    written = json.loads((tmp_path / "out" / "config.json").read_text())
    assert written["latent_channels"] == channels == written["d"]
    del config["_name_or_path"]  # where a model was loaded from is not handed on
    assert written == config | {"latent_channels": channels}


def test_provenance_goes_with_it(tiny_pq, tmp_path):
    model = tmp_path / "model"
    load_model(tiny_pq).save_pretrained(model)
    (model / "provenance.json").write_text('{"git": "here"}')
    assert export("--model", model, "--out", tmp_path / "out") == 0
    assert (tmp_path / "out" / "provenance.json").read_text() == '{"git": "here"}'


def test_a_selected_model_is_handed_on_with_the_provenance_of_its_training(tiny_pq, tmp_path, capsys):
    model = tmp_path / "model"
    load_model(tiny_pq).save_pretrained(model)
    trained = {"job": {"chapter": "tokenizer", "name": "tiny"}}
    (model / "provenance.json").write_text('{"job": {"chapter": "select", "name": "f8"}}')
    (model / "training_provenance.json").write_text(json.dumps(trained))
    assert export("--model", model, "--out", tmp_path / "out", "--hub", "me/tiny", "--dry-run") == 0
    assert json.loads((tmp_path / "out" / "provenance.json").read_text()) == trained
    assert "license: mit" in (tmp_path / "out" / "README.md").read_text()


def test_a_weight_that_a_dtype_does_not_hold_is_refused(tiny_pq, tmp_path, capsys):
    network = load_model(tiny_pq)
    name, weight = next((name, each) for name, each in network.named_parameters() if not name.startswith("quantiser."))
    weight.data.view(-1)[0] = -1e6
    network.quantiser.codebooks.data.view(-1)[0] = 1e6  # stays in float32, so is no obstacle
    network.save_pretrained(tmp_path / "model")
    assert export("--model", tmp_path / "model", "--out", tmp_path / "out", "--dtype", "fp16") == 2
    told = f"--dtype fp16: {name} holds -1e+06, which fp16 ends before (65504); give bf16 or fp32"
    assert capsys.readouterr().err == f"pqgan export: {told}\n"
    assert [path.name for path in tmp_path.iterdir()] == ["model"]
    for dtype in ("bf16", "fp32"):
        assert export("--model", tmp_path / "model", "--out", tmp_path / dtype, "--dtype", dtype) == 0


def test_refusals_are_one_line_and_leave_nothing(tiny_pq, tmp_path, capsys):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    (tmp_path / "empty").mkdir()
    cases = [
        (2, tiny_pq, tmp_path / "full", "is there and has no SHA256SUMS"),
        (3, tmp_path / "empty", tmp_path / "out", "config.json: no such file"),
        (3, tmp_path / "nowhere", tmp_path / "out", "no such folder"),
    ]
    for code, model, out, message in cases:
        assert export("--model", model, "--out", out) == code
        said = capsys.readouterr().err
        assert message in said
        assert said.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_a_full_disk_is_one_line_and_leaves_nothing(tiny_pq, tmp_path):
    def little_room():
        resource.setrlimit(resource.RLIMIT_FSIZE, (4000, 4000))

    command = [sys.executable, "-m", "pqgan.cli", "export", "--model", str(tiny_pq), "--out", str(tmp_path / "out")]
    done = subprocess.run(command, capture_output=True, text=True, preexec_fn=little_room)
    assert done.returncode == 5
    assert done.stderr.count("\n") == 1, done.stderr
    assert "cannot be written" in done.stderr
    assert not any(tmp_path.iterdir())
