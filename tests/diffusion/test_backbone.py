import json

import pytest
import torch
from diffusers import StableDiffusionPipeline

from pqgan.diffusion import backbone
from pqgan.errors import ResourceError, SettingsError
from pqgan.settings.diffusion import HubBackbone
from pqgan.tokenizer.load import load_tokenizer


def weights(parts) -> list[torch.Tensor]:
    return [value for name in ("unet", "vae", "text_encoder") for value in parts[name].state_dict().values()]


def with_backbone(settings, section):
    adapt = settings.scale.adapt.model_copy(update={"backbone": section})
    return settings.model_copy(update={"scale": settings.scale.model_copy(update={"adapt": adapt})})


def test_folder_is_a_stable_diffusion_pipeline(backbone_folder):
    pipeline = StableDiffusionPipeline.from_pretrained(backbone_folder)
    pipeline.set_progress_bar_config(disable=True)
    image = pipeline("a cat", num_inference_steps=2, height=32, width=32, output_type="pt").images
    assert image.shape == (1, 3, 32, 32)
    assert image.isfinite().all()
    assert not [path for path in backbone_folder.rglob("*") if path.suffix in (".bin", ".pt", ".ckpt")]
    assert json.loads((backbone_folder / "provenance.json").read_text())["job"]["chapter"] == "backbone"


def test_scheduler_is_that_of_stable_diffusion_21(backbone_folder):
    config = json.loads((backbone_folder / "scheduler" / "scheduler_config.json").read_text())
    expected = {
        "beta_schedule": "scaled_linear",
        "beta_start": 0.00085,
        "beta_end": 0.012,
        "num_train_timesteps": 1000,
        "steps_offset": 1,
        "clip_sample": False,
        "set_alpha_to_one": False,
        "prediction_type": "v_prediction",
    }
    assert {key: config[key] for key in expected} == expected


def test_vae_is_a_tokenizer_of_factor_8(backbone_folder):
    tokenizer = load_tokenizer(backbone_folder / "vae")
    assert (tokenizer.kind, tokenizer.factor, tokenizer.channels) == ("kl", 8, 4)


def test_weights_depend_on_the_seed_alone(tiny):
    section = tiny.scale.adapt.backbone
    first, again, other = (weights(backbone.create(section, seed)) for seed in (0, 0, 1))
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert any(not torch.equal(a, b) for a, b in zip(first, other, strict=True))


@pytest.mark.parametrize(("value", "message"), [(48, "allowed: 32"), (30, "allowed: 32")])
def test_text_encoder_must_fit_the_unet(tiny, value, message):
    section = tiny.scale.adapt.backbone.model_copy(update={"text_channels": value})
    with pytest.raises(SettingsError, match=message):
        backbone.create(section, 0)


def test_every_token_needs_a_row_of_the_embedding(tiny):
    section = tiny.scale.adapt.backbone.model_copy(update={"text_words": 513})
    with pytest.raises(SettingsError, match="text_words: got 513; allowed: from 514"):
        backbone.create(section, 0)


def test_shapes_of_an_unknown_published_model_are_refused():
    with pytest.raises(SettingsError, match="got 'owner/model'; without its files"):
        _ = HubBackbone(source="hub", model="owner/model", revision="abc").architecture


def test_published_model_becomes_the_same_folder(tiny, plan, backbone_folder, tmp_path, monkeypatch):
    asked = []

    def download(model, **options):
        asked.append((model, options))
        return str(backbone_folder)

    monkeypatch.setattr(StableDiffusionPipeline, "download", download)
    settings = with_backbone(tiny, HubBackbone(source="hub", model="owner/model", revision="abc"))
    backbone.run(settings, plan.job("backbone", "backbone"), out=tmp_path / "out")
    assert asked == [("owner/model", {"revision": "abc", "use_safetensors": True})]
    names = sorted(path.relative_to(backbone_folder) for path in backbone_folder.rglob("*"))
    assert names == sorted(path.relative_to(tmp_path / "out") for path in (tmp_path / "out").rglob("*"))
    for name in ("unet/diffusion_pytorch_model", "vae/diffusion_pytorch_model", "text_encoder/model"):
        old, new = ((folder / f"{name}.safetensors").read_bytes() for folder in (backbone_folder, tmp_path / "out"))
        assert old == new


def test_no_network_is_one_line_that_says_how_to_bring_the_model(tiny, plan, tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    settings = with_backbone(tiny, HubBackbone(source="hub", model="nobody/no-such-model", revision="main"))
    with pytest.raises(ResourceError) as error:
        backbone.run(settings, plan.job("backbone", "backbone"), out=tmp_path / "out")
    message = str(error.value)
    assert "\n" not in message
    for words in ("nobody/no-such-model", "main", "HF_HOME", "hf download nobody/no-such-model --revision main"):
        assert words in message
    assert not (tmp_path / "out").exists()
