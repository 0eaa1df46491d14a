"""Which tokenizer a code file is decoded with: another config is refused, the same network saved anew is not."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from safetensors.torch import load_file, save_file

from pqgan.quantise import codes
from pqgan.quantise.codes import new_code_file
from pqgan.storage.manifest import sha256
from pqgan.tokenizer import encode
from pqgan.tokenizer.identity import identity
from pqgan.tokenizer.load import load_model
from pqgan.tokenizer.model import PQModel


def one_line(capsys) -> str:
    said = capsys.readouterr()
    assert (said.out, said.err.count("\n")) == ("", 1)
    return said.err


@pytest.mark.parametrize("changed", [{"normalisation": "imagenet"}, {"norm_num_groups": 4}])
def test_another_config_of_the_same_weights_is_refused(command, models, capsys, changed):
    shutil.copytree(models / "pq", Path("..", "changed"), dirs_exist_ok=True)
    config = json.loads(Path("..", "changed", "config.json").read_text())
    Path("..", "changed", "config.json").write_text(json.dumps(config | changed))
    assert command("encode") == 0
    capsys.readouterr()
    assert command("decode", model=Path("..", "changed").resolve()) == 3
    assert "; give the former" in one_line(capsys)


def again_as_it_is(model, folder):
    model.save_pretrained(folder)


def in_shards(model, folder):
    model.save_pretrained(folder, max_shard_size="2KB")
    assert len(list(folder.glob("*.safetensors"))) > 1


def in_another_order(model, folder):
    model.register_to_config(scaling_factor=7.5, beta=0.5, codebook_init="normal")
    model.save_pretrained(folder)
    path = folder / "diffusion_pytorch_model.safetensors"
    weights = load_file(path)
    save_file(dict(reversed(weights.items())), path, metadata={"format": "pt", "more": "words"})
    config = json.loads((folder / "config.json").read_text())
    del config["force_upcast"]
    (folder / "config.json").write_text(json.dumps(dict(reversed(config.items()))))


@pytest.mark.parametrize("saved", [again_as_it_is, in_shards, in_another_order])
def test_the_same_network_saved_anew_decodes(command, models, tmp_path, saved):
    saved(PQModel.from_pretrained(models / "pq"), tmp_path / "again")
    assert command("encode") == 0
    assert command("decode") == 0
    assert command("decode", model=tmp_path / "again", out="anew") == 0
    for path in Path("back").rglob("*.png"):
        assert np.array_equal(Image.open(path), Image.open(Path("anew", path.relative_to("back"))))


def test_a_code_file_of_the_first_format_is_decoded_by_the_files_it_names(command, models, capsys, monkeypatch):
    header = encode._open(models / "pq", "cpu")[1]
    weights = {"diffusion_pytorch_model.safetensors": sha256(models / "pq/diffusion_pytorch_model.safetensors")}
    monkeypatch.setattr(codes, "VERSION", 1)
    with new_code_file("a.pqc", header.model_copy(update={"network": "", "weights": weights})) as writer:
        writer.add("a.png", np.zeros((2, 1, 1), np.uint8), 2, 2)
    assert Path("a.pqc").read_bytes()[8] == 1
    assert b"network" not in Path("a.pqc").read_bytes()
    assert command("decode") == 0
    shutil.rmtree("back")
    capsys.readouterr()
    assert command("decode", model="other") == 3
    assert re.search(r"K11 with weights of sha256 \w{12}; .*-K11 with weights of sha256 \w{12}", one_line(capsys))


OF_OLD = {
    "f16-d128-S64-K128": "f0189b2b45bf92c9a7a91bb3f1d99c6a5263a40a4ce0addb16d7134e31e21f72",
    "f8-d128-S64-K512": "93384f556df09459b7f1d3cba7b5ffff10df2e0536328a501f167ad82defe8db",
}
"""Of the models in models/, computed before a model could have another quantiser than the product quantiser."""


@pytest.mark.parametrize("name", OF_OLD)
def test_models_saved_before_there_were_other_quantisers_are_what_code_files_call_them(params_path, tmp_path, name):
    folder = params_path.parent / "models" / name
    assert "quantiser_config" not in json.loads((folder / "config.json").read_text())
    model = load_model(folder)
    assert model.quantiser.kind == "pq"
    assert identity(model) == OF_OLD[name]
    model.save_pretrained(tmp_path)
    assert identity(load_model(tmp_path)) == OF_OLD[name]
