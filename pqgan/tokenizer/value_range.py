"""The range of values that a trunk sees, and the way between it and images in [-1, 1]."""

from typing import Literal, get_args

import torch
from torch import Tensor, nn

from pqgan.quantise.base import one_of

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)

Normalisation = Literal["minus_one_one", "imagenet"]


class ValueRange(nn.Module):
    """One affine map a channel: [-1, 1] -> [0, 1] -> (x - mean) / std.

    Its numbers are no part of a model's files.

    Args:
        normalisation: ImageNet's mean and standard deviation, or [-1, 1] as it is.

    Raises:
        ValueError: another normalisation.
    """

    def __init__(self, normalisation: Normalisation):
        super().__init__()
        one_of("PQModel", "normalisation", normalisation, get_args(Normalisation))
        # in float32, then rounded once, where a model is built in half precision, as loading does
        exact, dtype = {"dtype": torch.float32}, torch.get_default_dtype()
        if normalisation == "imagenet":
            mean, std = torch.tensor(IMAGENET_MEAN, **exact), torch.tensor(IMAGENET_STD, **exact)
        else:
            mean, std = torch.full((3,), 0.5, **exact), torch.full((3,), 0.5, **exact)
        self.register_buffer("scale", (0.5 / std).view(1, 3, 1, 1).to(dtype), persistent=False)
        self.register_buffer("shift", ((0.5 - mean) / std).view(1, 3, 1, 1).to(dtype), persistent=False)

    def forward(self, x: Tensor, way: Literal["enter", "leave", "leave_difference"]) -> Tensor:
        """Values (B, 3, H, W) in the other range; of a difference of two images the shift is no part."""
        if way == "enter":
            return (x * self.scale + self.shift).to(x.dtype)
        return (x - self.shift) / self.scale if way == "leave" else x / self.scale
