"""The feature network of FID against the library it comes from."""

import hashlib
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

from pqgan.errors import NumericalError
from pqgan.evaluate.networks.inception import Inception
from pqgan.records import FeatureNetwork
from pqgan.weights import locate


@pytest.fixture(scope="module")
def features(smoke):
    return smoke.scale.evaluation.features


@pytest.fixture(scope="module")
def inception(features):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("torch.hub.load_state_dict_from_url", None)
        patch.setattr("urllib.request.urlopen", None)
        return Inception(features)


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


@pytest.fixture(scope="module")
def published(features):
    folder, entry = os.environ.get("PQGAN_WEIGHTS_DIR"), locate.CATALOGUE["inception"]
    if not folder or not any((Path(folder) / file).is_file() for file in (entry.name, *entry.copies)):
        pytest.skip(f"{entry.name} is not in PQGAN_WEIGHTS_DIR")
    return Inception(features.model_copy(update={"weights": "pretrained", "fid_input": 299}))


def test_published_label_and_source(published):
    assert published.label == "InceptionV3 2048 (299 px), pretrained"
    path = locate.find("inception")
    assert published.source.origin == locate.CATALOGUE["inception"].origin
    assert published.source.files == {path.name: hashlib.sha256(path.read_bytes()).hexdigest()}


@torch.inference_mode()
def test_published_features_are_torch_fidelity_s_own_on_8_bit_images(published, images, images_uint8, tmp_path):
    extractor = FeatureExtractorInceptionV3(
        "inception", ["2048"], feature_extractor_weights_path=_save(published, tmp_path)
    )
    expected = extractor(images_uint8)[0]
    assert expected.std() > 0.1
    torch.testing.assert_close(published(images, "torchmetrics"), expected, rtol=0, atol=1e-5)


def test_label_and_source_name_size_weights_and_seed(inception):
    assert inception.label == "InceptionV3 2048 (75 px), random weights (seed 0)"
    assert inception.source == FeatureNetwork(origin="random weights, seed 0", files={})
