"""Peak signal-to-noise ratio of 8-bit images, in both readings (point 11).

An image that is reproduced exactly has no finite PSNR. The mean over images leaves it out, and `exact` says how many
there are, so that the result can tell.
"""

import math

import torch
from torch import Tensor

PEAK = 255.0


def squared_errors(originals: Tensor, reconstructions: Tensor) -> Tensor:
    """Mean squared error (B,) float64 of every image, in squared levels.

    The squares are summed as integers: the result is the same on every device, and 0 only for equal images.

    Args:
        originals, reconstructions: 8-bit images (B, C, H, W).
    """
    if originals.dtype != torch.uint8 or reconstructions.dtype != torch.uint8:
        raise ValueError(f"psnr: got images of {originals.dtype} and {reconstructions.dtype}; expected torch.uint8")
    if originals.dim() != 4 or originals.shape != reconstructions.shape:
        raise ValueError(
            f"psnr: got images {tuple(originals.shape)} and {tuple(reconstructions.shape)}; expected (B, C, H, W) twice"
        )
    difference = originals.int() - reconstructions.int()  # (B, C, H, W)
    return difference.square().sum(dim=(1, 2, 3), dtype=torch.int64).double() / math.prod(originals.shape[1:])


def each(errors: Tensor) -> Tensor:
    """PSNR (N,) float64 in dB of every image, of its squared error (N,); inf where it is exact."""
    return 10 * (PEAK**2 / errors.double()).log10()


def exact(errors: Tensor) -> int:
    """How many of the images with squared errors (N,) are reproduced exactly."""
    return int((errors == 0).sum())


def mean(errors: Tensor) -> float:
    """Mean of the PSNR in dB over the images that are not exact; inf only if all are."""
    finite = _some(errors)[errors > 0]
    return float(each(finite).mean()) if len(finite) else math.inf


def pooled(errors: Tensor) -> float:
    """PSNR in dB of the squared error pooled over all images, which are of one size; inf only if all are exact."""
    error = float(_some(errors).double().mean())
    return 10 * math.log10(PEAK**2 / error) if error else math.inf


def _some(errors: Tensor) -> Tensor:
    if not len(errors):
        raise ValueError("psnr: got no squared errors; expected those of at least one image")
    return errors
