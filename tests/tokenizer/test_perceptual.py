"""LPIPS against the lpips package, with random and with published backbones."""

import hashlib
import os
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from pqgan.errors import DataError
from pqgan.records import FeatureNetwork
from pqgan.tokenizer.perceptual import LEAST_SIDE, Perceptual, _unit
from pqgan.weights import locate


@pytest.fixture
def no_network(monkeypatch):
    def refuse(*arguments, **keywords):
        raise AssertionError("a download was tried")

    monkeypatch.setattr("urllib.request.urlopen", refuse)
    monkeypatch.setattr("torch.hub.download_url_to_file", refuse)


@pytest.fixture
def random_features(smoke):
    return smoke.scale.evaluation.features


@pytest.fixture
def pair():
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(3, 3, 64, 64, generator=generator) * 2 - 1
    return images, (images + 0.2 * torch.randn(images.shape, generator=generator)).clamp(-1, 1)


@pytest.mark.parametrize("net", ["alex", "vgg", "squeeze"])
def test_random_backbone_is_seeded_and_leaves_the_global_generator(net, random_features, pair, no_network):
    before = torch.get_rng_state()
    first, second = Perceptual(random_features, net), Perceptual(random_features, net)
    assert torch.equal(before, torch.get_rng_state())
    distances = first(*pair)
    assert distances.shape == (3,)
    assert (distances > 0).all()
    assert torch.equal(distances, second(*pair))
    other = Perceptual(random_features.model_copy(update={"seed": 1}), net)
    assert not torch.allclose(distances, other(*pair))
    assert torch.equal(first(pair[0], pair[0]), torch.zeros(3))


def test_grows_with_the_damage(random_features, pair):
    perceptual = Perceptual(random_features, "alex")
    images, noisy = pair
    assert (perceptual(images, images + 0.1 * (noisy - images)) < perceptual(images, noisy)).all()


@pytest.mark.parametrize("net", ["alex", "vgg", "squeeze"])
def test_distance_is_that_of_the_package(net, random_features, pair):
    perceptual = Perceptual(random_features, net)
    torch.testing.assert_close(perceptual(*pair), perceptual.network(*pair).flatten())


def test_autocast_reaches_the_backbone_alone(random_features, pair):
    perceptual = Perceptual(random_features, "alex")
    features = []
    perceptual.network.net.register_forward_hook(lambda module, inputs, output: features.append(output))
    with torch.autocast("cpu", torch.bfloat16):
        distances = perceptual(*pair)
    assert {layer.dtype for of_batch in features for layer in of_batch} == {torch.bfloat16}
    assert distances.dtype == torch.float32
    expected = sum(
        head(
            (torch.nn.functional.normalize(here.float()) - torch.nn.functional.normalize(there.float())).square()
        ).mean(dim=(1, 2, 3))
        for here, there, head in zip(*features, perceptual.network.lins, strict=True)
    )
    torch.testing.assert_close(distances, expected)


def test_features_that_are_all_zero_have_a_finite_gradient():
    features = torch.zeros(1, 4, 2, 2, requires_grad=True)
    _unit(features).sum().backward()
    assert features.grad.isfinite().all()


def test_frozen_but_differentiable_and_always_in_evaluation_mode(random_features, pair):
    perceptual = Perceptual(random_features, "alex").train()
    assert not any(module.training for module in perceptual.modules())
    assert not any(parameter.requires_grad for parameter in perceptual.parameters())
    noisy = pair[1].requires_grad_()
    perceptual(noisy, pair[0]).mean().backward()
    assert noisy.grad.abs().sum() > 0


def test_heads_are_those_of_the_wheel(random_features):
    import lpips

    path = Path(lpips.__file__).parent / "weights/v0.1/alex.pth"
    published = torch.load(path, map_location="cpu", weights_only=True)
    network = Perceptual(random_features, "alex").network
    for number, head in enumerate(network.lins):
        assert torch.equal(head.model[1].weight, published[f"lin{number}.model.1.weight"])


def test_label_and_source_say_what_the_weights_are(random_features):
    perceptual = Perceptual(random_features, "alex")
    assert perceptual.label == "LPIPS AlexNet, random weights (seed 0)"
    assert perceptual.source == FeatureNetwork(origin="random weights, seed 0", files={})
    assert Perceptual(random_features, "vgg").label == "LPIPS VGG, random weights (seed 0)"


def published_features(features, name):
    folder = os.environ.get("PQGAN_WEIGHTS_DIR")
    entry = locate.CATALOGUE[name]
    if not folder or not any((Path(folder) / file).is_file() for file in (entry.name, *entry.copies)):
        pytest.skip(f"{entry.name} is not in PQGAN_WEIGHTS_DIR")
    return features.model_copy(update={"weights": "pretrained"})


@pytest.mark.parametrize("net", ["alex", "vgg", "squeeze"])
def test_published_backbone_is_the_package_s_network(net, random_features, pair):
    features = published_features(random_features, net)
    perceptual = Perceptual(features, net)
    assert perceptual.label.endswith("pretrained")
    import lpips

    heads = Path(lpips.__file__).parent / f"weights/v0.1/{net}.pth"
    assert perceptual.source.origin == locate.CATALOGUE[net].origin
    assert perceptual.source.files == {
        locate.find(net).name: hashlib.sha256(locate.find(net).read_bytes()).hexdigest(),
        f"lpips {version('lpips')} weights/v0.1/{net}.pth": hashlib.sha256(heads.read_bytes()).hexdigest(),
    }
    reference = lpips.LPIPS(pnet_rand=True, net=net, verbose=False)
    state = locate.read(net)
    slices = {key: value for key, value in reference.state_dict().items() if key.startswith("net.")}
    for key, value in slices.items():
        value.copy_(state["features." + key.split(".", 2)[2]])
    torch.testing.assert_close(perceptual(*pair), reference(*pair).flatten(), rtol=0, atol=1e-6)
    photographs = photograph_pair()
    torch.testing.assert_close(perceptual(*photographs), reference(*photographs).flatten(), rtol=0, atol=1e-6)


def photograph_pair():
    """A photograph at 256 px, and the same after 8-fold reduction; (1, 3, 256, 256) each."""
    from skimage import data

    image = torch.from_numpy(data.astronaut()[:256, 100:356].copy()).permute(2, 0, 1)[None] / 127.5 - 1
    small = torch.nn.functional.interpolate(image, scale_factor=1 / 8, mode="area")
    return image, torch.nn.functional.interpolate(small, scale_factor=8, mode="bilinear")


def test_published_squeeze_reproduces_torchmetrics_documented_value(random_features):
    """The doctest of torchmetrics.functional.image.lpips; half-precision copies move the fourth digit."""
    perceptual = Perceptual(published_features(random_features, "squeeze"), "squeeze")
    generator = torch.Generator().manual_seed(42)
    images = (torch.rand(2, 3, 100, 100, generator=generator) * 2) - 1
    others = (torch.rand(2, 3, 100, 100, generator=generator) * 2) - 1
    assert perceptual(images, others).tolist() == pytest.approx([0.1024, 0.0938], abs=2e-4)


def test_wrong_file_is_refused(random_features, tmp_path, monkeypatch):
    monkeypatch.setenv("PQGAN_WEIGHTS_DIR", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    save_file({"features.0.weight": torch.zeros(64, 3, 11, 11)}, tmp_path / "lpips_alexnet.safetensors")
    pretrained = random_features.model_copy(update={"weights": "pretrained"})
    with pytest.raises(DataError, match=r"lpips_alexnet\.safetensors: sha256 is \w{64}; expected 972b85a2"):
        Perceptual(pretrained, "alex")


def test_file_with_the_right_hash_of_another_network_is_refused(random_features, tmp_path, monkeypatch):
    monkeypatch.setenv("PQGAN_WEIGHTS_DIR", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    save_file({"features.0.weight": torch.zeros(64, 3, 11, 11)}, tmp_path / "lpips_alexnet.safetensors")
    entry = replace(locate.CATALOGUE["alex"], copies={"lpips_alexnet.safetensors": None})
    monkeypatch.setitem(locate.CATALOGUE, "alex", entry)
    with pytest.raises(DataError, match=r"lpips_alexnet\.safetensors: is not alexnet-owt-7be5be79\.pth"):
        Perceptual(random_features.model_copy(update={"weights": "pretrained"}), "alex")


@pytest.mark.parametrize("net", LEAST_SIDE)
def test_the_least_side_is_the_least_that_a_backbone_takes(random_features, net):
    perceptual, least = Perceptual(random_features, net), LEAST_SIDE[net]
    assert perceptual(torch.zeros(1, 3, least, least), torch.ones(1, 3, least, 64)[..., :least]).isfinite()
    with pytest.raises(RuntimeError, match="too small"):
        perceptual(torch.zeros(1, 3, least - 1, 64), torch.ones(1, 3, least - 1, 64))
