"""Photographs above their reconstructions, for a model card."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from pqgan.data.folder_set import FolderSet

from .kinds import Tokenizer

MOST, SIDE, GAP = 4, 256, 4
"""Photographs, their side in pixels, and pixels between the rows."""


class Photographs(NamedTuple):
    """Some of a folder."""

    images: Tensor
    """(B, 3, SIDE, SIDE) in [-1, 1]."""
    told: str
    """What the picture shows."""


def read_images(folder: Path) -> Photographs:
    """MOST photographs, spread over a folder, a square from the centre of each.

    Raises:
        DataError: no images, or one that cannot be read.
    """
    photographs = FolderSet(folder, SIDE, "crop", limit=MOST)
    photographs.check()
    squares = []
    for index in range(len(photographs)):
        pixels = photographs.image(index)
        top, left = ((side - SIDE) // 2 for side in pixels.shape[:2])
        squares.append(torch.from_numpy(pixels[top : top + SIDE, left : left + SIDE].copy()).permute(2, 0, 1))
    images = torch.stack(squares).float() / 127.5 - 1
    many = f"{len(images)} photographs" if len(images) > 1 else "A photograph"
    return Photographs(images, f"{many} at {SIDE} px above, what the tokenizer makes of them below (a JPEG file)")


@torch.inference_mode()
def picture_of(tokenizer: Tokenizer, images: Tensor) -> Image.Image:
    """Images (B, 3, H, W) in [-1, 1] in a row, and their reconstructions in one below."""
    rows = [torch.cat(list(each), dim=2) for each in (images, tokenizer.reconstruct(images))]  # (3, H, B W) each
    levels = [row.clamp(-1, 1).add(1).mul(127.5).round().byte().permute(1, 2, 0).numpy() for row in rows]
    between = np.full((GAP, levels[0].shape[1], 3), 255, np.uint8)
    return Image.fromarray(np.concatenate([levels[0], between, levels[1]]))
