"""The feature networks of FID and CMMD: the libraries' own, with published or seeded random weights.

Neither constructor downloads anything where `features.weights` is random. The perceptual network is in tokenizer/perceptual.
"""

import os
from collections import OrderedDict
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from pqgan.errors import ResourceError
from pqgan.randomness import generator_at, seed_at
from pqgan.settings.evaluation import Features, HubClip, RandomClip
from pqgan.storage import weights
from pqgan.tokenizer.perceptual import describe

from .pixels import to_uint8

Resize = Literal["clean-fid", "torchmetrics"]

RESIZES: dict[Resize, str] = {
    "clean-fid": "8-bit images, clean-fid's legacy_pytorch resize (bilinear, no antialias, not rounded)",
    "torchmetrics": "8-bit images by floor, torchmetrics' resize (bilinear as in TensorFlow 1, no antialias)",
}
"""How images reach InceptionV3 (reading 13), for the tables."""


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

    Random weights are He-normal convolutions under the batch norms' fresh statistics: activations keep their scale to the
    last layer, and features differ between images.

    Args:
        features: weights, seed, and the side that images are resized to.

    Raises:
        ResourceError, DataError: from pqgan.storage.weights.
    """

    dimension = 2048

    def __init__(self, features: Features):
        super().__init__()
        self.side = features.fid_input
        if features.weights == "random":
            generator = generator_at(features.seed, 0, "inception")
            with torch.nn.utils.skip_init_context() if False else torch.device("meta"):
                network = _inception()
            network.to_empty(device="cpu")
        self.network = network
        self.label = f"InceptionV3 {self.dimension} ({self.side} px), {describe(features)}"
