"""The feature network of CMMD against the library it comes from."""

import os

import pytest
import torch
from pydantic import ValidationError
from torch.nn import functional

from pqgan.errors import DataError, ResourceError
from pqgan.evaluate.networks import clip as module
from pqgan.evaluate.networks.clip import Clip
from pqgan.records import FeatureNetwork
from pqgan.settings.evaluation import HubClip
from pqgan.weights import locate

MODEL, COMMIT = "openai/clip-vit-large-patch14-336", "ce19dc912ca5cd21c8a653c79e251e808ccabcd1"


@pytest.fixture(scope="module")
def features(smoke):
    return smoke.scale.evaluation.features


@pytest.fixture
def hub(features):
    """Features whose CLIP is the published one."""
    return features.model_copy(update={"clip": HubClip(source="hub", model=MODEL, revision=COMMIT)})


@torch.inference_mode()
def test_random_clip_is_the_library_s_tower_on_its_own_preprocessing(features, images, images_uint8):
    from transformers.image_utils import OPENAI_CLIP_MEAN, OPENAI_CLIP_STD

    before = torch.get_rng_state()
    clip = Clip(features)
    assert torch.equal(torch.get_rng_state(), before)
    found = clip(images, antialias=True)
    assert found.shape == (4, 32)
    assert clip.dimension == 32
    assert found.dtype == torch.float32
    torch.testing.assert_close(found.norm(dim=1), torch.ones(4))
    assert (found @ found.T).min() < 0.99
    # 64 px images at 64 px: no resize, so only the normalisation is between image and tower
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (OPENAI_CLIP_MEAN, OPENAI_CLIP_STD))
    expected = functional.normalize(clip.network((images_uint8 / 255 - mean) / std).image_embeds)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
    assert torch.equal(Clip(features)(images, antialias=True), found)


@torch.inference_mode()
def test_antialias_is_a_matter_of_the_call(features, images):
    large = functional.interpolate(images, (160, 160), mode="nearest")
    clip = Clip(features)
    assert "with antialias" in clip.resize(True)
    assert "without antialias" in clip.resize(False)
    assert not torch.allclose(clip(large, antialias=True), clip(large, antialias=False), atol=1e-4)


def test_label_and_source_of_random_weights(features):
    clip = Clip(features)
    assert clip.label == "CLIP ViT (2 layers, width 64, patch 16, 64 px), random weights (seed 0)"
    assert clip.source == FeatureNetwork(origin="random weights, seed 0", files={})


@pytest.fixture
def small(monkeypatch, tmp_path):
    """A model of the published kind, both towers, but small; and the folder that its file belongs into."""
    from transformers import CLIPConfig, CLIPModel, CLIPVisionConfig

    shape = {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 2}
    vision = {**shape, "patch_size": 14, "image_size": 28, "projection_dim": 16}
    monkeypatch.setattr("transformers.CLIPVisionConfig", lambda **keywords: CLIPVisionConfig(**vision))
    torch.manual_seed(0)
    model = CLIPModel(CLIPConfig(text_config={**shape, "vocab_size": 99}, vision_config=vision, projection_dim=16))
    monkeypatch.setenv("PQGAN_WEIGHTS_DIR", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return model.eval(), tmp_path / "clip-vit-large-patch14-336"


@torch.inference_mode()
def test_image_tower_is_taken_from_a_file_of_both(small, hub, images, capsys):
    from safetensors.torch import save_file

    model, folder = small
    folder.mkdir()
    # as older versions of transformers wrote it
    positions = {f"{tower}_model.embeddings.position_ids": torch.arange(5)[None] for tower in ("vision", "text")}
    save_file({**model.state_dict(), **positions}, folder / "model.safetensors")
    clip = Clip(hub)
    assert clip.label == f"{MODEL} (28 px), pretrained"
    assert clip.source.origin == f"https://huggingface.co/{MODEL}/resolve/{COMMIT}/pytorch_model.bin"
    assert list(clip.source.files) == ["model.safetensors"]
    assert "none to compare it with" in capsys.readouterr().err
    assert not any(tensor.is_meta for tensor in (*clip.parameters(), *clip.buffers()))
    found = clip(images, antialias=True)
    pixels = functional.interpolate((images + 1) / 2, (28, 28), mode="bicubic", antialias=True)
    expected = functional.normalize(model.get_image_features((pixels - clip.mean) / clip.std).pooler_output)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


def test_shape_of_the_published_tower_fits_the_size_of_its_file(monkeypatch, hub):
    """The file holds both towers in float32; that of text is CLIP-L's, and the names take a few hundred kilobytes."""
    from transformers import CLIPConfig, CLIPModel, CLIPVisionConfig

    shape = {}
    monkeypatch.setattr("transformers.CLIPVisionConfig", lambda **keywords: shape.update(keywords) or 1 / 0)
    monkeypatch.setattr(module.locate, "read", lambda which: {})
    with pytest.raises(ZeroDivisionError):
        module._published(hub.clip)
    text = {"hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12, "num_attention_heads": 12}
    vision = CLIPVisionConfig(**shape).to_dict()
    with torch.device("meta"):
        both = CLIPModel(CLIPConfig(text_config=text, vision_config=vision, projection_dim=shape["projection_dim"]))
    tensors = 4 * sum(parameter.numel() for parameter in both.parameters())
    assert 0 < locate.CATALOGUE["clip"].size - tensors < 500_000


def test_published_name_with_another_content_is_refused(small, hub):
    model, folder = small
    folder.mkdir()
    torch.save(model.state_dict(), folder / "pytorch_model.bin")
    with pytest.raises(DataError, match=r"pytorch_model\.bin: has \d+ bytes; expected 1711974081 bytes of https://hug"):
        Clip(hub)


def test_absent_published_clip_is_one_line(hub, tmp_path, monkeypatch):
    monkeypatch.setenv("PQGAN_WEIGHTS_DIR", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    if any("clip-vit-large-patch14-336" in str(path) for path in _hub_cache()):
        pytest.skip("the hub's cache has it")
    with pytest.raises(ResourceError, match=rf"pytorch_model\.bin \(1\.71 GB, .*{COMMIT}.*clip\.source") as caught:
        Clip(hub)
    assert "\n" not in str(caught.value)


def _hub_cache():
    from pathlib import Path

    from huggingface_hub.constants import HF_HUB_CACHE

    return Path(HF_HUB_CACHE).glob("models--*")


def test_another_model_or_revision(features):
    with pytest.raises(ValidationError, match="clip-vit-large-patch14-336"):
        HubClip(source="hub", model="nobody/nowhere", revision="main")
    # fetched from where the settings say, and what it must be stays pinned
    entry = module.published(HubClip(source="hub", model=MODEL, revision="main"))
    assert entry.origin.revision == "main"
    assert entry.sha256 == locate.CATALOGUE["clip"].sha256


@torch.inference_mode()
def test_real_clip_knows_images_apart(hub, images):
    own = os.environ.get("PQGAN_WEIGHTS_DIR")
    entry = locate.CATALOGUE["clip"]
    if not own or not any(os.path.isfile(os.path.join(own, file)) for file in (entry.name, *entry.copies)):
        pytest.skip(f"{entry.name} is not in PQGAN_WEIGHTS_DIR")
    clip = Clip(hub)
    assert (clip.dimension, clip.side) == (768, 336)
    found = clip(images, antialias=True)
    assert (found @ found.T).fill_diagonal_(0).max() < 0.99
