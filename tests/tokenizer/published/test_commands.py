"""The authors' tokenizers by name through the real commands, from a hub on this machine, and from one's own folder."""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from PIL import Image
from safetensors.torch import save
from web_server import server  # noqa: F401, fixture of this file

from pqgan.baselines import PUBLISHED
from pqgan.cli import main
from pqgan.tokenizer.load import load_tokenizer
from pqgan.tokenizer.model import PQModel

COMMIT = "0123456789abcdef0123456789abcdef01234567"
NAME = "pqgan-f8"
FILE = PUBLISHED[NAME].weights.name


@pytest.fixture
def stand_in(originals) -> dict[str, torch.Tensor]:
    """Seeded tensors of the published names, few and narrow."""
    original = originals.configurations[NAME].reduced(None)
    dead = {f"{of}.embedding.weight": torch.ones(16, 16) for of in ("vq_standard", "vq_split")}
    return originals.seeded(original) | dead


@pytest.fixture
def user(tmp_path, monkeypatch, changed_params) -> SimpleNamespace:
    """A folder with photographs and settings that name the tokenizer, an empty cache, and commands that run there."""
    (tmp_path / "photos").mkdir()
    noise = torch.rand(3, 5, 5, 3, generator=torch.Generator().manual_seed(0)).mul(255).byte().numpy()
    for number, pixels in enumerate(noise):
        Image.fromarray(pixels).resize((40, 32), Image.Resampling.BICUBIC).save(tmp_path / f"photos/{number}.png")
    changed_params("scales.smoke.evaluation.published", [NAME])
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "PQGAN_"))}
    environment |= {"XDG_CACHE_HOME": str(tmp_path / "cache"), "HF_HOME": str(tmp_path / "hf"), "OMP_NUM_THREADS": "1"}

    def run(command: str, code: int = 0, **more: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "pqgan.cli", *command.split()],
            cwd=tmp_path,
            env={**environment, **more},
            capture_output=True,
            text=True,
        )
        assert done.returncode == code, done.stderr
        return done.stdout if code == 0 else done.stderr

    def without_the_hub(command: str) -> None:
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hf/hub"))
        monkeypatch.setenv("HF_HUB_OFFLINE", "1")
        monkeypatch.setenv("XDG_CACHE_HOME", environment["XDG_CACHE_HOME"])
        monkeypatch.delenv("PQGAN_WEIGHTS_DIR", raising=False)
        monkeypatch.chdir(tmp_path)
        assert main(command.split()) == 0

    return SimpleNamespace(folder=tmp_path, run=run, without_the_hub=without_the_hub)


def test_from_a_hub_to_codes_and_back_and_refused_when_it_changes(user, server, stand_in, capsys):  # noqa: F811
    def holds(content: bytes, commit: str) -> str:
        digest = hashlib.sha256(content).hexdigest()
        server.content, server.headers = content, {"X-Repo-Commit": commit, "ETag": f'"{digest}"'}
        return digest

    digest = holds(save(stand_in), COMMIT)
    hub = {"HF_ENDPOINT": server.address}
    told = user.run(f"encode --model {NAME} --images photos --out a.pqc", **hub)
    assert "a.pqc: 3 images" in told
    user.without_the_hub(f"decode --model {NAME} --codes a.pqc --out again")
    assert Image.open(user.folder / "again/2.png").size == (40, 32)

    how = "--images photos --size 32 --features random --lpips alex --without cmmd,rfid --out measured"
    user.without_the_hub(f"evaluate --model {NAME} {how}")
    assert "trained on squashed images)" in " ".join(capsys.readouterr().out.split())
    record = json.loads((user.folder / "measured/metrics.json").read_text())
    about = {key: record["subject"][key] for key in ("published", "method", "latent", "kind", "trained_geometry")}
    expected = {"published": NAME, "method": "PQGAN", "latent": "PQ", "kind": "pq", "trained_geometry": "squash"}
    assert about == expected
    model = record["provenance"]["model"]
    assert model["origin"].startswith(f"https://huggingface.co/CVL-Heidelberg/PQGAN/resolve/{COMMIT}/checkpoints/")
    assert model["files"] == {Path(FILE).name: digest}

    user.without_the_hub(f"fetch-baseline {NAME} --scale smoke --out fetched")
    source = json.loads((user.folder / "fetched/source.json").read_text())
    assert (source["published"], source["origin"], source["files"]) == (NAME, model["origin"], model["files"])
    user.without_the_hub("decode --model fetched --codes a.pqc --out third")
    for one in (user.folder / "again").iterdir():
        assert one.read_bytes() == (user.folder / "third" / one.name).read_bytes()
    opened = PQModel.from_pretrained(user.folder / "fetched")
    assert torch.equal(opened.quantiser.codebooks[1], stand_in["vq_split.embeddings.1.weight"])
    assert opened.config.geometry == "squash"

    other = holds(save({**stand_in, "quant_conv.bias": stand_in["quant_conv.bias"] + 1}), COMMIT[::-1])
    line = user.run(f"encode --model {NAME} --images photos --out b.pqc", 3, HF_HOME=str(user.folder / "new"), **hub)
    assert line.count("\n") == 1
    assert f"sha256 is {other} at commit {COMMIT[::-1]}; expected {digest} at commit {COMMIT}, seen first on" in line
    assert not (user.folder / "b.pqc").exists()


def test_a_file_in_one_s_own_folder(user, stand_in, monkeypatch, capsys):
    own = user.folder / "own" / FILE
    own.parent.mkdir(parents=True)
    own.write_bytes(save(stand_in))
    monkeypatch.setenv("PQGAN_WEIGHTS_DIR", str(user.folder / "own"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(user.folder / "cache"))
    tokenizer = load_tokenizer(NAME)
    assert tokenizer.source.files == {own.name: hashlib.sha256(own.read_bytes()).hexdigest()}
    assert tokenizer.subject()["published"] == NAME
    assert isinstance(tokenizer.model, PQModel)
    assert not tokenizer.model.training
    assert str(own) in capsys.readouterr().err


def test_a_folder_of_the_same_name_is_meant_by_its_path(user, stand_in, monkeypatch):
    monkeypatch.chdir(user.folder)
    model = PQModel((4, 8), layers_per_block=1, norm_num_groups=2, z_channels=8, d=4, S=2, K=11)
    model.save_pretrained(NAME)
    assert load_tokenizer(Path(NAME)).subject()["K"] == load_tokenizer(f"./{NAME}").subject()["K"] == 11


def test_what_is_missing_is_one_line(user):
    line = user.run(f"encode --model {NAME} --images photos --out a.pqc", 5, HF_HUB_OFFLINE="1")
    assert line.count("\n") == 1
    assert f"{FILE} (size unknown, https://huggingface.co/CVL-Heidelberg/PQGAN/resolve/main/checkpoints/" in line
    assert "HF_HUB_OFFLINE is set" in line
