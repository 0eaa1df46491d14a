"""Images in [-1, 1] as 8-bit ones, and their files."""

from pathlib import Path

import torch
from torch import Tensor

from pqgan.errors import NumericalError


def to_uint8(images: Tensor, rounding: str = "nearest") -> Tensor:
    """8-bit images (B, 3, H, W) of images in [-1, 1].

    Args:
        rounding: nearest, as image files are written; or floor, as torchmetrics converts floats. 8-bit images come back
            as they were either way: floor forgives a thousandth of a level of float error.

    Raises:
        NumericalError: a value is not finite.
    """
    if not images.isfinite().all():
        raise NumericalError("an image to be measured is not finite; the model that made it diverged: train it again")
    levels = (images.float() + 1) * 127.5
    levels = levels.round() if rounding == "nearest" else (levels + 1e-3).floor()
    return levels.clamp(0, 255).to(torch.uint8)


def to_float(images_uint8: Tensor) -> Tensor:
    """Images in [-1, 1] of 8-bit ones."""
    return images_uint8.float() / 127.5 - 1


def save_png(image_uint8: Tensor, path: Path) -> None:
    """Write one image (3, H, W)."""
    from PIL import Image

    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image_uint8.permute(1, 2, 0).cpu().numpy()).save(path)
