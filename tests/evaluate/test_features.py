"""The feature networks against the libraries they come from."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional
from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

from pqgan.errors import NumericalError, ResourceError
from pqgan.evaluate.features import Clip, Inception
from pqgan.evaluate.frechet import Moments, frechet_distance
from pqgan.settings.evaluation import HubClip
from pqgan.storage import weights


@pytest.fixture(scope="module")
def features(smoke):
    return smoke.scale.evaluation.features


@pytest.fixture(scope="module")
def inception(features):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("torch.hub.load_state_dict_from_url", None)
        patch.setattr("urllib.request.urlopen", None)
        return Inception(features)


@pytest.fixture(scope="module")
def images_uint8():
    from skimage import data

    photograph = torch.from_numpy(data.astronaut()).permute(2, 0, 1)
    corners = ((0, 180), (100, 200), (300, 100), (420, 30))
    return torch.stack([photograph[:, y : y + 64, x : x + 64] for y, x in corners])


@pytest.fixture(scope="module")
def images(images_uint8):
    return images_uint8.float() / 127.5 - 1


@torch.inference_mode()
def test_random_inception_is_seeded_and_tells_images_apart(inception, features, images):
    found = inception(images, "clean-fid")
    assert found.shape == (4, 2048)
    assert found.isfinite().all()
    # about as large as published features, alive, and different from image to image
    assert 0.1 < found.mean() < 1
    assert (found > 0).float().mean() > 0.4
    used = found.mean(dim=0) > 0
    assert (found.std(dim=0) / found.mean(dim=0))[used].median() > 0.2
    before = torch.get_rng_state()
    assert torch.equal(Inception(features)(images, "clean-fid"), found)
    assert torch.equal(torch.get_rng_state(), before)
    assert not torch.allclose(Inception(features.model_copy(update={"seed": 1}))(images, "clean-fid"), found)


def _save(inception, folder):
    """The weights as a file that torch-fidelity's own extractor loads."""
    state = dict(inception.network.state_dict())
    state |= {"fc.weight": torch.zeros(1008, 2048), "fc.bias": torch.zeros(1008)}
    torch.save(state, folder / "inception.pth")
    return str(folder / "inception.pth")


@pytest.fixture(scope="module")
def fidelity(inception, tmp_path_factory):
    """torch-fidelity's own extractor with the same weights, at the same input size."""
    path = _save(inception, tmp_path_factory.mktemp("weights"))
    extractor = FeatureExtractorInceptionV3("inception", ["2048"], feature_extractor_weights_path=path)
    extractor.INPUT_IMAGE_SIZE = inception.side
    return extractor


@torch.inference_mode()
def test_torchmetrics_protocol_is_torch_fidelity_s_network(inception, fidelity, images, images_uint8):
    torch.testing.assert_close(inception(images, "torchmetrics"), fidelity(images_uint8)[0], rtol=1e-4, atol=1e-5)


@torch.inference_mode()
def test_clean_fid_protocol_is_clean_fid_s_resize(inception, images, images_uint8):
    from cleanfid.resize import make_resizer

    # build_resizer("legacy_pytorch") at another size than 299
    resize = make_resizer("PyTorch", False, "bilinear", (inception.side, inception.side))
    resized = np.stack([resize(image.permute(1, 2, 0).numpy()) for image in images_uint8])
    levels = torch.from_numpy(resized).permute(0, 3, 1, 2)
    # pytorch-fid's InceptionV3 maps [0, 1] to [-1, 1]
    expected = inception.network(2 * (levels / 255) - 1)
    torch.testing.assert_close(inception(images, "clean-fid"), expected, rtol=1e-4, atol=1e-5)


@torch.inference_mode()
def test_images_that_are_not_finite_are_refused(inception, images):
    broken = images.clone()
    broken[1, 0, 3, 3] = torch.nan
    with pytest.raises(NumericalError, match="not finite"):
        inception(broken, "clean-fid")


@torch.inference_mode()
def test_published_inception_reproduces_torchmetrics_documented_fid(features, tmp_path):
    """The doctest of torchmetrics.image.fid, whose network draws from the generator of the images before they do."""
    folder, entry = os.environ.get("PQGAN_WEIGHTS_DIR"), weights.WEIGHTS["inception"]
    if not folder or not any((Path(folder) / file).is_file() for file in (entry.file, *entry.copies)):
        pytest.skip(f"{entry.file} is not in PQGAN_WEIGHTS_DIR")
    published = Inception(features.model_copy(update={"weights": "pretrained", "fid_input": 299}))
    assert published.label == "InceptionV3 2048 (299 px), pretrained"
    torch.manual_seed(42)
    FeatureExtractorInceptionV3("inception", ["64"], feature_extractor_weights_path=_save(published, tmp_path))
    sets = [torch.randint(*limits, (100, 3, 299, 299), dtype=torch.uint8) for limits in ((0, 200), (100, 255))]
    moments = []
    for images in sets:
        moments.append(Moments(64))
        for batch in images.split(20):
            early = published.network[:4]((batch.float() - 128) / 128)
            moments[-1].update(functional.adaptive_avg_pool2d(early, 1).flatten(1))
    assert frechet_distance(*moments) == pytest.approx(12.6388, abs=2e-3)


@torch.inference_mode()
def test_random_clip_is_the_library_s_tower_on_its_own_preprocessing(features, images, images_uint8):
    from transformers.image_utils import OPENAI_CLIP_MEAN, OPENAI_CLIP_STD

    before = torch.get_rng_state()
    clip = Clip(features, antialias=True)
    assert torch.equal(torch.get_rng_state(), before)
    found = clip(images)
    assert found.shape == (4, 32)
    torch.testing.assert_close(found.norm(dim=1), torch.ones(4))
    assert (found @ found.T).min() < 0.99
    # 64 px images at 64 px: no resize, so only the normalisation is between image and tower
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (OPENAI_CLIP_MEAN, OPENAI_CLIP_STD))
    expected = functional.normalize(clip.network((images_uint8 / 255 - mean) / std).image_embeds)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
    assert torch.equal(Clip(features, antialias=True)(images), found)


@torch.inference_mode()
def test_clip_antialias_is_the_reading_s(features, images):
    large = functional.interpolate(images, (160, 160), mode="nearest")
    smooth, plain = (Clip(features, antialias=antialias) for antialias in (True, False))
    assert "with antialias" in smooth.resize
    assert "without antialias" in plain.resize
    assert not torch.allclose(smooth(large), plain(large), atol=1e-4)


def test_labels_name_network_size_weights_and_seed(inception, features):
    assert inception.label == "InceptionV3 2048 (75 px), random weights (seed 0)"
    label = Clip(features, antialias=True).label
    assert label == "CLIP ViT (2 layers, width 64, patch 16, 64 px), random weights (seed 0)"


def test_absent_published_clip_is_one_line(features, tmp_path, monkeypatch):
    monkeypatch.setenv("PQGAN_WEIGHTS_DIR", str(tmp_path))
    (tmp_path / "nowhere").mkdir()
    hub = HubClip(source="hub", model="nobody/nowhere", revision="main")
    with pytest.raises(ResourceError, match=r"nobody/nowhere: .*features\.clip") as caught:
        Clip(features.model_copy(update={"clip": hub}), antialias=True)
    assert "\n" not in str(caught.value)
