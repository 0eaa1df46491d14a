"""Any image file to RGB, and RGB to the geometry of a set."""

import os
import stat
import warnings
from math import prod
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image, ImageOps

Geometry = Literal["crop", "squash"]

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif", ".ppm", ".pgm"})
# no format whose decoder starts another program, as PostScript's does
FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF", "PPM")


MAX_PIXELS = 1 << 28
"""16384 x 16384: more than the 200 megapixels of the largest cameras in use, and 1 GiB once decoded."""
# Pillow refuses more than twice this, by the size that a file declares, before anything is decoded
Image.MAX_IMAGE_PIXELS = MAX_PIXELS // 2

_EIGHT_OF_SIXTEEN = ((np.arange(1 << 16) + 128) // 257).astype(np.uint8)


def _eight_bits(image: Image.Image) -> Image.Image:
    """Grey values of more than 8 bits, whole range to whole range; Pillow's own conversion clips them at 255."""
    if image.mode == "F":
        raise ValueError("floating-point pixels, whose white is not known")
    values = np.asarray(image)
    if values.min() < 0 or values.max() > 65535:
        raise ValueError("pixels of more than 16 bits")
    return Image.fromarray(_EIGHT_OF_SIXTEEN[values])


def to_rgb(image: Image.Image) -> Image.Image:
    """8-bit RGB: upright as EXIF says, transparency over white, 16 bits scaled to 8.

    Raises:
        ValueError: pixels whose range is not known (floating point, more than 16 bits).
    """
    image = ImageOps.exif_transpose(image)
    if image.mode == "F" or image.mode.startswith("I"):
        image = _eight_bits(image)
    if image.has_transparency_data:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image)
    return image.convert("RGB")


def read_rgb(path: Path | str) -> Image.Image:
    """Decode a file to 8-bit RGB; of an animation, the first frame.

    Raises:
        ValueError: the file is no image of a known format, is cut short, holds more than MAX_PIXELS or cannot be
            converted; says why.
    """
    try:
        status = os.stat(path)
        # of a pipe, opening would wait for ever
        if not stat.S_ISREG(status.st_mode):
            raise ValueError("not a regular file")
        if not status.st_size:
            raise ValueError("an empty file")
        with warnings.catch_warnings():
            # about damaged metadata and large files; damaged pixels and far too large files raise
            warnings.simplefilter("ignore")
            with Image.open(path, formats=FORMATS) as image:
                return to_rgb(image)
    except MemoryError:
        raise
    except Image.UnidentifiedImageError:
        raise ValueError(f"not an image in one of {', '.join(FORMATS)}: starts with {_start(path)}") from None
    except Exception as error:  # decoders raise whatever a damaged file makes them stumble over
        raise ValueError(getattr(error, "strerror", None) or str(error) or type(error).__name__) from error


def _start(path: Path | str) -> str:
    with open(path, "rb") as file:
        return ascii(file.read(20).decode("latin-1"))


def resize(image: Image.Image, size: int, geometry: Geometry) -> Image.Image:
    """Antialiased Lanczos resize.

    Args:
        image: RGB.
        size: pixels.
        geometry: crop brings the shortest side to size, larger or smaller, as VQGAN does; squash brings both.

    Raises:
        ValueError: an image so thin that enlarging it would make more than MAX_PIXELS.
    """
    if geometry == "squash":
        target = (size, size)
    else:
        shortest = min(image.size)
        target = tuple(size if side == shortest else max(size, round(side * size / shortest)) for side in image.size)
    if prod(target) > MAX_PIXELS:
        sizes = " px and ".join(f"{width}x{height}" for width, height in (image.size, target))
        raise ValueError(f"too thin: {sizes} px once its shortest side is {size}, over {MAX_PIXELS} pixels")
    return image if image.size == target else image.resize(target, Image.Resampling.LANCZOS)
