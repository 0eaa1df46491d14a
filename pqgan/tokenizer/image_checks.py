"""Images that a tokenizer cannot take, refused with what it can."""

import torch
from torch import Tensor

FARTHEST = 2.0
"""From 0, that a value of an image in [-1, 1] is: resampling goes a fifth beyond its ends. Levels of 0 to 255 go beyond
this, and so do images that ImageNet's mean and deviation normalised."""
LEVELS = "of levels from 0 to 255 take images / 127.5 - 1"


def check_form(x: Tensor, F: int) -> None:
    """Refuse what are no images (B, 3, H, W), by type and shape alone.

    Raises:
        ValueError: no float type, another shape, or sides that F does not divide.
    """
    if not x.is_floating_point():
        raise ValueError(f"PQModel: got images {x.dtype}; expected floats in [-1, 1]; {LEVELS}")
    if x.dim() != 4 or x.shape[1] != 3 or x.shape[2] % F or x.shape[3] % F or 0 in x.shape[2:]:
        raise ValueError(
            f"PQModel: got images {tuple(x.shape)}; expected (B, 3, H, W) with H and W multiples of F={F}"
            f"{_nearest_sizes(x, F)}"
        )


def check_values(x: Tensor) -> None:
    """Refuse images in another range than [-1, 1]; waits for the device. Not in compiled code, which may not branch on
    values.

    Raises:
        ValueError: a value beyond FARTHEST, or NaN.
    """
    if torch.compiler.is_compiling() or not x.numel():
        return
    least, most = torch.stack(x.detach().aminmax()).tolist()
    if not -FARTHEST <= least <= most <= FARTHEST:  # so NaN too
        raise ValueError(
            f"PQModel: got {x.dtype} images from {least:g} to {most:g}; expected floats in [-1, 1]; {LEVELS}"
        )


def _nearest_sizes(x: Tensor, F: int) -> str:
    """Sizes to crop and to pad to, for the message."""
    if x.dim() != 4 or x.shape[1] != 3:
        return ""
    H, W = x.shape[2:]
    smaller = (H // F * F, W // F * F)
    larger = (max(F, -(-H // F * F)), max(F, -(-W // F * F)))
    allowed = [f"{height} x {width}" for height, width in (smaller, larger) if height and width]
    return f", for example {' or '.join(dict.fromkeys(allowed))}"
