"""The feature network of FID: the library's own, with published or seeded random weights.

That of CMMD is in clip, those of LPIPS are in tokenizer/perceptual. Nothing is downloaded where the weights are random.
"""

from collections import OrderedDict
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from pqgan.randomness import generator_at
from pqgan.settings.evaluation import Features
from pqgan.weights import locate
from pqgan.weights.random_weights import describe, random_source

from .pixels import to_uint8

Resize = Literal["clean-fid", "torchmetrics"]

RESIZES: dict[Resize, str] = {
    "clean-fid": "8-bit images, clean-fid's legacy_pytorch resize (bilinear, no antialias, not rounded)",
    "torchmetrics": "8-bit images by floor, torchmetrics' resize with antialias=False (bilinear as in TensorFlow 1)",
}
"""How images reach InceptionV3 (reading 13), for the tables."""

GAIN = 1.1
"""On He's standard deviation: makes up for the variance that average pooling takes away on the way."""


def _inception() -> nn.Sequential:
    """torch-fidelity's FeatureExtractorInceptionV3 up to the pooled features, under its names.

    Assembled from its blocks, because its own constructor downloads and its forward pass takes 8-bit images alone.
    """
    from torch_fidelity import feature_extractor_inceptionv3 as blocks

    return nn.Sequential(
        OrderedDict(
            Conv2d_1a_3x3=blocks.BasicConv2d(3, 32, kernel_size=3, stride=2),
            Conv2d_2a_3x3=blocks.BasicConv2d(32, 32, kernel_size=3),
            Conv2d_2b_3x3=blocks.BasicConv2d(32, 64, kernel_size=3, padding=1),
            MaxPool_1=nn.MaxPool2d(kernel_size=3, stride=2),
            Conv2d_3b_1x1=blocks.BasicConv2d(64, 80, kernel_size=1),
            Conv2d_4a_3x3=blocks.BasicConv2d(80, 192, kernel_size=3),
            MaxPool_2=nn.MaxPool2d(kernel_size=3, stride=2),
            Mixed_5b=blocks.InceptionA(192, pool_features=32),
            Mixed_5c=blocks.InceptionA(256, pool_features=64),
            Mixed_5d=blocks.InceptionA(288, pool_features=64),
            Mixed_6a=blocks.InceptionB(288),
            Mixed_6b=blocks.InceptionC(768, channels_7x7=128),
            Mixed_6c=blocks.InceptionC(768, channels_7x7=160),
            Mixed_6d=blocks.InceptionC(768, channels_7x7=160),
            Mixed_6e=blocks.InceptionC(768, channels_7x7=192),
            Mixed_7a=blocks.InceptionD(768),
            Mixed_7b=blocks.InceptionE_1(1280),
            Mixed_7c=blocks.InceptionE_2(2048),
            AvgPool=nn.AdaptiveAvgPool2d(output_size=(1, 1)),
            Flatten=nn.Flatten(),
        )
    )


class Inception(nn.Module):
    """FID's InceptionV3 of 2015-12-05, pool3 features.

    Random weights are He-normal convolutions under batch norms with fresh statistics, so that activations neither
    vanish nor explode on the way to the last layer.

    Args:
        features: weights, seed, and the side that images are resized to.

    Raises:
        ResourceError, DataError: from pqgan.weights.locate.
    """

    dimension = 2048

    def __init__(self, features: Features):
        super().__init__()
        with torch.device("meta"):
            network = _inception()
        if features.weights == "random":
            network.to_empty(device="cpu").requires_grad_(False)
            _randomise(network, generator_at(features.seed, 0, "inception"))
            self.source = random_source(features.seed)
            """Where the weights are from."""
        else:
            state = locate.read("inception")
            classifier = ("fc.weight", "fc.bias")
            locate.load(network, {key: state[key] for key in state if key not in classifier}, "inception")
            self.source = locate.source("inception")
        # channels last takes a third less time on a CPU
        self.network = network.requires_grad_(False).eval().to(memory_format=torch.channels_last)
        self.side = features.fid_input
        self.label = f"InceptionV3 {self.dimension} ({self.side} px), {describe(features)}"
        """For tables: network, input size, weights and seed."""

    def train(self, mode: bool = True) -> "Inception":
        """Stays in evaluation mode."""
        return super().train(False)

    def forward(self, images: Tensor, resize: Resize) -> Tensor:
        """Features (B, 2048) of images (B, 3, H, W) in [-1, 1]."""
        size = (self.side, self.side)
        if resize == "clean-fid":
            levels = to_uint8(images).float()
            levels = functional.interpolate(levels, size, mode="bilinear", align_corners=False).clamp(0, 255)
            # pytorch-fid, whose network that mode is: [0, 255] to [-1, 1]
            return self.network(levels / 127.5 - 1)
        from torch_fidelity.interpolate_compat_tensorflow import interpolate_bilinear_2d_like_tensorflow1x

        levels = interpolate_bilinear_2d_like_tensorflow1x(to_uint8(images, "floor").float(), size, align_corners=False)
        return self.network((levels - 128) / 128)


def _randomise(network: nn.Module, generator: torch.Generator) -> None:
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu", generator=generator)
            module.weight.mul_(GAIN)
        elif isinstance(module, nn.BatchNorm2d):
            module.reset_parameters()
