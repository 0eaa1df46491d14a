"""An uploaded file to pixels that every model takes, and what was done to it in words."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from pqgan.data.pixels import decode
from pqgan.errors import DataError


class Picture(NamedTuple):
    """An image that is ready for the models."""

    pixels: np.ndarray
    """(H, W, 3), uint8."""
    said: str
    """What it was, and what was done to it."""


def read(path: Path | str, factor: int, longest: int) -> Picture:
    """An image file, brought down to a longest side and cut about its centre to multiples of a factor.

    Args:
        path: any file.
        factor: that both sides are to be multiples of.
        longest: pixels.

    Raises:
        DataError: it is no image, a damaged one, or one with a side below the factor; says why.
    """
    try:
        image, profile = decode(path)
    except ValueError as error:
        raise DataError(f"this file cannot be read as an image: {' '.join(str(error).split())}") from None
    done = [_size(image.size)]
    if profile is not None:
        done.append("its colours converted to sRGB" if profile == "converted" else "its colour profile ignored")
    if max(image.size) > longest:
        scale = longest / max(image.size)
        width, height = (max(1, round(side * scale)) for side in image.size)
        image = image.resize((width, height), Image.Resampling.LANCZOS)
        done.append(f"made smaller to {_size(image.size)}")
    width, height = (side // factor * factor for side in image.size)
    if not width or not height:
        raise DataError(
            f"this image has {_size(image.size)}{' once made smaller' * (len(done) > 1)}; expected at least "
            f"{factor} pixels a side, which the models make one position of"
        )
    if (width, height) != image.size:
        image = _cut(image, width, height)
        done.append(f"cut to {_size(image.size)}, multiples of {factor}")
    return Picture(np.asarray(image), ", ".join(done))


def like(picture: Picture, other: Picture) -> Picture:
    """A picture at the size of another: scaled until it covers that, and cut about its centre."""
    height, width, _ = other.pixels.shape
    image = Image.fromarray(picture.pixels)
    if image.size == (width, height):
        return picture
    scale = max(width / image.width, height / image.height)
    covering = max(width, round(image.width * scale)), max(height, round(image.height * scale))
    cut = _cut(image.resize(covering, Image.Resampling.LANCZOS), width, height)
    return Picture(np.asarray(cut), f"{picture.said}, brought to {_size(cut.size)} of the other")


def _cut(image: Image.Image, width: int, height: int) -> Image.Image:
    left, top = (image.width - width) // 2, (image.height - height) // 2
    return image.crop((left, top, left + width, top + height))


def _size(size: tuple[int, int]) -> str:
    return f"{size[0]} x {size[1]} px"
