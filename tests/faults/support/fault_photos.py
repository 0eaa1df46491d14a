"""Photographs for `pqgan evaluate`, and what it measures of them without a feature network."""

from pathlib import Path

import numpy as np
from PIL import Image

PIXELS = ("--without", "lpips,rfid,cmmd")
"""Needs no feature network."""


def photograph(width=24, height=20, seed=0) -> Image.Image:
    coarse = np.random.default_rng(seed).integers(0, 256, (4, 4, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)


def fill(folder: Path, n: int, first: int = 0) -> None:
    for i in range(first, first + n):
        photograph(24 + i, seed=i).save(folder / f"good{i:02}.png")
