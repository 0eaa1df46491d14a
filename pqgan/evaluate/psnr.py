"""Peak signal-to-noise ratio of 8-bit images, in both readings (point 11)."""

import math

import torch
from torch import Tensor

PEAK = 255.0


class PSNR:
    """Squared errors of any number of image pairs.

    An image that is reproduced exactly has no finite PSNR; the mean leaves it out, and `exact` counts them.
    """

    def __init__(self):
        self._errors: list[Tensor] = []

    def update(self, originals: Tensor, reconstructions: Tensor) -> None:
        """Add pairs of 8-bit images (B, 3, H, W)."""
        difference = originals.double() - reconstructions.double()
        self._errors.append(difference.square().mean(dim=(1, 2, 3)).cpu())

    @property
    def errors(self) -> Tensor:
        """Mean squared error (N,) of every image, in squared levels."""
        return torch.cat(self._errors)

    @property
    def exact(self) -> int:
        return int((self.errors == 0).sum())

    def mean(self) -> float:
        """Mean over images of the per-image PSNR in dB; infinite only if every image is exact."""
        errors = self.errors
        errors = errors[errors > 0]
        return float((10 * (PEAK**2 / errors).log10()).mean()) if len(errors) else math.inf

    def pooled(self) -> float:
        """PSNR in dB of the squared error pooled over all images of one size; infinite only if every image is exact."""
        pooled = float(self.errors.mean())
        return 10 * math.log10(PEAK**2 / pooled) if pooled else math.inf
