"""Any tokenizer by what a person calls it, and one line where there is none."""

import json
import os
from pathlib import Path

import pytest
import torch
from diffusers import AutoencoderKL, AutoencoderTiny
from safetensors.torch import save_file

from pqgan.baselines import PUBLISHED
from pqgan.errors import DataError, ResourceError, SettingsError
from pqgan.evaluate.baselines.open import open_model
from pqgan.records import FeatureNetwork
from pqgan.storage.manifest import sha256
from pqgan.tokenizer.build import build
from pqgan.weights import locate

LEVELS = {"block_out_channels": (32, 32), "down_block_types": ("DownEncoderBlock2D",) * 2}
REVISION = "0123456789abcdef0123456789abcdef01234567"


def small_kl() -> AutoencoderKL:
    torch.manual_seed(0)
    return AutoencoderKL(**LEVELS, up_block_types=("UpDecoderBlock2D",) * 2)


@pytest.fixture
def hub(tmp_path, monkeypatch) -> Path:
    """A cache of the Hugging Face hub, without a network, that holds somebody/model with a model in vae/."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    repository = tmp_path / "hub" / "models--somebody--model"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text(REVISION)
    small_kl().save_pretrained(repository / "snapshots" / REVISION / "vae")
    return repository / "snapshots" / REVISION


def same(one, other) -> bool:
    mine, theirs = one.state_dict(), other.state_dict()
    return mine.keys() == theirs.keys() and all(torch.equal(value, theirs[key]) for key, value in mine.items())


def test_a_trained_folder(smoke, tmp_path):
    config = smoke.scale.tokenizer.configs["f8-d16-S8-K64"]
    model = build(config, smoke.scale.tokenizer.trunks[8], smoke.reading, 0)
    model.save_pretrained(tmp_path)
    for spec in (tmp_path, str(tmp_path)):
        tokenizer = open_model(spec)
        assert same(tokenizer.model, model)
        subject = tokenizer.subject()
        assert [subject[key] for key in ("kind", "F", "d", "S", "K")] == ["pq", 8, 16, 8, 64]
        assert "published" not in subject
        name = "diffusion_pytorch_model.safetensors"
        assert tokenizer.source == FeatureNetwork(origin=str(tmp_path), files={name: sha256(tmp_path / name)})


@pytest.mark.parametrize("spec", ["somebody/model:vae", "somebody/model:vae@main", f"somebody/model:vae@{REVISION}"])
def test_a_model_of_the_hub(hub, spec):
    tokenizer = open_model(spec)
    assert same(tokenizer.model, small_kl())
    subject = tokenizer.subject()
    assert [subject[key] for key in ("kind", "F", "d")] == ["kl", 2, 4]
    assert REVISION in tokenizer.source.origin
    assert tokenizer.source.origin.startswith("somebody/model ")
    name = "vae/diffusion_pytorch_model.safetensors"
    assert tokenizer.source.files == {name: sha256(hub / name)}


@pytest.mark.parametrize(
    ("spec", "error", "message"),
    [
        ("somebody/model", DataError, "has no config.json there; allowed: owner/name"),
        ("somebody/model:unet", DataError, "has no config.json there"),
        ("somebody/model:vae@v2", ResourceError, "somebody/model:vae@v2 is no folder here, nor in the .* cache"),
        ("somebody/else", ResourceError, "cannot be downloaded: .*hf download somebody/else"),
    ],
)
def test_what_the_hub_does_not_have_is_one_line(hub, spec, error, message):
    with pytest.raises(error, match=message) as caught:
        open_model(spec)
    assert "\n" not in str(caught.value)


def test_pickles_of_the_hub_are_not_read(hub):
    for path in (hub / "vae").glob("*.safetensors"):
        path.unlink()
    (hub / "vae" / "diffusion_pytorch_model.bin").write_bytes(b"cos\nsystem\n(S'touch pwned'\ntR.")
    with pytest.raises(DataError, match=r"model\.safetensors: no such file; expected weights as safetensors"):
        open_model("somebody/model:vae")


@pytest.mark.parametrize("suffix", [".ckpt", ".pth", ".safetensors"])
def test_an_original_checkpoint(suffix, tmp_path, originals):
    state = originals.seeded(originals.configurations["ldm-vq-f8"].reduced())
    path = tmp_path / f"model{suffix}"
    if suffix == ".safetensors":
        save_file(state, path)
    else:
        torch.save({"state_dict": {**state, "loss.discriminator.main.0.weight": torch.zeros(2)}, "epoch": 3}, path)
    tokenizer = open_model(str(path))
    subject = tokenizer.subject()
    assert [subject[key] for key in ("kind", "F", "d", "S", "K")] == ["vqgan", 8, 4, 1, 40]
    assert tokenizer.source == FeatureNetwork(origin=str(path), files={path.name: sha256(path)})
    assert torch.equal(tokenizer.model.post_quant_conv.weight, state["post_quant_conv.weight"])


def test_tiny_weights_alone_are_recognised(tmp_path):
    model = AutoencoderTiny(latent_channels=16)
    save_file(model.state_dict(), tmp_path / "tiny.safetensors")
    tokenizer = open_model(tmp_path / "tiny.safetensors")
    assert same(tokenizer.model, model)
    assert [tokenizer.subject()[key] for key in ("kind", "F", "d")] == ["tiny", 8, 16]


def test_a_checkpoint_that_runs_code_is_refused(tmp_path):
    class Bomb:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "pwned"),)

    torch.save({"state_dict": Bomb()}, tmp_path / "model.ckpt")
    with pytest.raises(DataError) as caught:
        open_model(tmp_path / "model.ckpt")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "pwned").exists()


def test_a_published_name_is_converted(monkeypatch, originals):
    state = originals.seeded(originals.configurations["vqgan-lc-f16"].reduced(None))
    source = FeatureNetwork(origin="somewhere", files={"vqgan.pth": "0" * 64})
    monkeypatch.setattr(locate, "read", {"vqgan-lc-f16": state}.__getitem__)
    monkeypatch.setattr(locate, "source", {"vqgan-lc-f16": source}.__getitem__)
    tokenizer = open_model("vqgan-lc-f16")
    subject = tokenizer.subject()
    expected = {
        "kind": "vqgan",
        "F": 16,
        "d": 8,
        "S": 1,
        "K": 100_000,
        "published": "vqgan-lc-f16",
        "method": "VQGAN-LC",
    }
    assert {key: subject[key] for key in expected} == expected
    assert subject["latent"] == "VQ"
    assert tokenizer.source == source


@pytest.mark.parametrize("name", [name for name, published in PUBLISHED.items() if published.config])
def test_a_published_model_in_diffusers_format_has_its_configuration_here(name, monkeypatch, tmp_path):
    published, config = PUBLISHED[name], dict(PUBLISHED[name].config)
    if published.kind == "kl":
        with torch.device("meta"):
            model = AutoencoderKL.from_config(config)
        state = {key: torch.zeros(value.shape, dtype=torch.float16) for key, value in model.state_dict().items()}
        # as published before diffusers 0.12 named the attention's parts
        old = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}
        for new, name_then in old.items():
            state = {key.replace(f".{new}.", f".{name_then}."): value for key, value in state.items()}
        assert "encoder.mid_block.attentions.0.query.weight" in state
    else:
        state = {
            key: value.to(torch.float8_e4m3fn)
            for key, value in AutoencoderTiny.from_config(config).state_dict().items()
        }
    save_file(state, tmp_path / "published.safetensors")
    source = FeatureNetwork(origin="somewhere", files={"published.safetensors": "0" * 64})
    monkeypatch.setattr(locate, "find", {name: tmp_path / "published.safetensors"}.__getitem__)
    monkeypatch.setattr(locate, "source", {name: source}.__getitem__)
    tokenizer = open_model(name)
    assert {parameter.dtype for parameter in tokenizer.model.parameters()} == {torch.float32}
    subject = tokenizer.subject()
    assert [subject[key] for key in ("kind", "F", "d")] == [published.kind, published.F, published.d]
    assert subject["published"] == name


@pytest.mark.parametrize("spec", ["nothing", "a/b/c", "taesd:vae", "", "owner/name:", "owner/name@", "./missing"])
def test_what_is_nothing_lists_what_is_allowed(spec, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SettingsError, match=r"allowed: the folder of a model, .* sdxl-vae, taesd") as caught:
        open_model(spec)
    assert "\n" not in str(caught.value)


def test_a_path_is_never_a_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SettingsError, match="got 'taesd'; allowed: the folder"):
        open_model(Path("taesd"))


def test_a_file_of_another_kind_is_one_line(tmp_path):
    (tmp_path / "picture.png").write_bytes(b"\x89PNG")
    with pytest.raises(SettingsError, match=r"got the file .*picture.png; allowed: .safetensors, .ckpt"):
        open_model(tmp_path / "picture.png")


def test_a_folder_of_another_class_is_one_line(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"_class_name": "UNet2DConditionModel"}))
    with pytest.raises(DataError, match="expected PQModel, AutoencoderKL, VQModel, AutoencoderTiny"):
        open_model(tmp_path)
