"""LPIPS (Zhang et al. 2018): the perceptual loss of training and a metric of the evaluation."""

import re
import warnings
from importlib.metadata import version
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn

from pqgan.randomness import generator_at
from pqgan.records import FeatureNetwork
from pqgan.settings.evaluation import Features
from pqgan.storage.manifest import sha256
from pqgan.weights import locate
from pqgan.weights.random_weights import describe, random_source

NAMES = {"alex": "AlexNet", "vgg": "VGG", "squeeze": "SqueezeNet"}

LEAST_SIDE = {"alex": 31, "vgg": 16, "squeeze": 17}
"""Pixels; of a smaller image nothing is left after the backbone's pooling."""


class Perceptual(nn.Module):
    """The lpips package's network, version 0.1, frozen; the heads are always those of its wheel.

    Args:
        features: whether the backbone is the published one or seeded random, and the seed.
        net: backbone.

    Raises:
        ResourceError: the published backbone is wanted and not to be had.
        DataError: its file is not what it claims to be.
    """

    def __init__(self, features: Features, net: Literal["vgg", "alex", "squeeze"]):
        super().__init__()
        import lpips  # imports torchvision

        # on the meta device, because torchvision would draw the weights of classifiers that LPIPS throws away
        with torch.device("meta"), warnings.catch_warnings(action="ignore"):
            network = lpips.LPIPS(pretrained=False, pnet_rand=True, net=net, verbose=False)
        heads_file = f"weights/v0.1/{net}.pth"
        heads_path = Path(lpips.__file__).parent / heads_file
        heads = torch.load(heads_path, map_location="cpu", weights_only=True)
        backbone = {key: value for key, value in network.state_dict().items() if key.startswith("net.")}
        if features.weights == "random":
            backbone = self._random(backbone, features.seed, net)
            self.source = random_source(features.seed)
            """Where the weights are from."""
        else:
            backbone = self._published(backbone, net)
            published = locate.source(net)
            heads_name = f"lpips {version('lpips')} {heads_file}"
            self.source = FeatureNetwork(
                origin=published.origin, files={**published.files, heads_name: sha256(heads_path)}
            )
        scaling = {f"scaling_layer.{key}": value for key, value in lpips.ScalingLayer().state_dict().items()}
        # lpips registers its heads twice, as lin0 and as lins.0
        again = {key.replace("lin", "lins.", 1): value for key, value in heads.items()}
        locate.load(network, {**scaling, **backbone, **heads, **again}, net)
        self.network = network.requires_grad_(False).eval()
        self.label = f"LPIPS {NAMES[net]}, {describe(features)}"
        """For tables: network, weights and seed."""

    @staticmethod
    def _random(shapes: dict[str, Tensor], seed: int, net: str) -> dict[str, Tensor]:
        """He-normal convolutions without bias."""
        generator = generator_at(seed, 0, f"lpips {net}")
        state = {}
        for key, shape in shapes.items():
            state[key] = torch.zeros(shape.shape)
            if key.endswith("weight"):
                nn.init.kaiming_normal_(state[key], nonlinearity="relu", generator=generator)
        return state

    @staticmethod
    def _published(shapes: dict[str, Tensor], net: str) -> dict[str, Tensor]:
        """Convolutions of the torchvision model, whose `features.3` lpips calls `net.slice2.3`."""
        state = locate.read(net)
        names = {key: re.sub(r"^net\.slice\d+", "features", key) for key in shapes}
        # what is missing stays missing, for the strict load to name
        return {key: state[name] for key, name in names.items() if name in state}

    def train(self, mode: bool = True) -> "Perceptual":
        """Stays in evaluation mode: the heads have dropout."""
        return super().train(False)

    def forward(self, images: Tensor, others: Tensor) -> Tensor:
        """Distances (B,) float32 of two batches of images (B, 3, H, W) in [-1, 1].

        Under autocast only the backbone is in half precision.
        """
        features, other_features = (
            self.network.net(self.network.scaling_layer(batch)) for batch in (images, others)
        )  # of each layer (B, C, h, w)
        total = 0.0
        with torch.autocast(images.device.type, enabled=False):
            for here, there, head in zip(features, other_features, self.network.lins, strict=True):
                difference = _unit(here.float()) - _unit(there.float())  # (B, C, h, w)
                total = total + head(difference.square()).mean(dim=(1, 2, 3))
        return total


def _unit(features: Tensor) -> Tensor:
    """Vectors (B, C, h, w) of length 1 over C."""
    return features / (torch.linalg.vector_norm(features, dim=1, keepdim=True) + 1e-10)
