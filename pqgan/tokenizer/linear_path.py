"""A linear map of patches to latents and back: what stands around a trunk, or in its place.

`linear_fit` makes the weights those of principal components. It is no part of the paper.
"""

from typing import Literal

import torch
from torch import Tensor, nn


class LinearPath(nn.Module):
    """Latents of F x F patches and patches of latents, each by one matrix.

    Args:
        F: side of a patch, pixels.
        d: latent channels; those above 3 F^2 carry nothing.
    """

    def __init__(self, F: int, d: int):
        super().__init__()
        self.to_latents = nn.Conv2d(3, d, F, stride=F)
        self.to_patches = nn.ConvTranspose2d(d, 3, F, stride=F)

    def forward(self, x: Tensor, way: Literal["encode", "decode"]) -> Tensor:
        """The method that `way` names, as of a quantiser."""
        return getattr(self, way)(x)

    def encode(self, x: Tensor) -> Tensor:
        """(B, d, H/F, W/F) of images (B, 3, H, W) in [-1, 1]."""
        return _exact(self.to_latents, x)

    def decode(self, z: Tensor) -> Tensor:
        """Images (B, 3, H, W) in [-1, 1] of latents (B, d, h, w)."""
        return _exact(self.to_patches, z)


def _exact(layer: nn.Module, x: Tensor) -> Tensor:
    # never in the autocast type: its rounding is larger than what the finest codebooks leave
    with torch.autocast(x.device.type, enabled=False):
        return layer(x.to(layer.weight.dtype))
