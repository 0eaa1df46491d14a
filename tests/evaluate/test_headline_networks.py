"""Which LPIPS backbones are measured, and which is the headline."""

import pytest
import torch

from pqgan.evaluate.comparison import Comparison
from pqgan.evaluate.networks.set_features import Networks


@pytest.mark.parametrize(("headline", "listed"), [("squeeze", ("alex",)), ("alex", ("alex", "squeeze"))])
def test_the_reading_s_backbone_is_measured_and_the_headline(smoke, headline, listed):
    features = smoke.scale.evaluation.features.model_copy(update={"lpips": listed})
    reading = smoke.reading.metrics.model_copy(update={"lpips": headline})
    networks = Networks(features, reading, torch.device("cpu"), without=("rfid", "cmmd"))
    assert set(networks.lpips) == {"alex", "squeeze"}
    comparison = Comparison(networks, reading, {"F": 8})
    images = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0)) * 2 - 1
    comparison.update(images, images * 0.5, None)
    found = {item.network: item for item in comparison.measurements("val") if item.metric == "lpips"}
    names = {"alex": "LPIPS AlexNet, random weights (seed 0)", "squeeze": "LPIPS SqueezeNet, random weights (seed 0)"}
    assert {network: item.headline for network, item in found.items()} == {
        name: net == headline for net, name in names.items()
    }
    levels = [(((x + 1) * 127.5).round() / 127.5 - 1) for x in (images, images * 0.5)]
    for net, name in names.items():
        with torch.no_grad():
            assert found[name].value == pytest.approx(networks.lpips[net](*levels).double().mean().item(), rel=1e-4)
