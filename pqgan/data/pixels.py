"""Any image file to RGB, and RGB to the geometry of a set."""

import warnings
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image, ImageOps

Geometry = Literal["crop", "squash"]

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif", ".ppm", ".pgm"})
# no format whose decoder starts another program, as PostScript's does
FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF", "PPM")


def _eight_bits(image: Image.Image) -> Image.Image:
    """Grey values of more than 8 bits, whole range to whole range; Pillow's own conversion clips them at 255."""
    if image.mode == "F":
        raise ValueError("floating-point pixels, whose white is not known")
    values = np.asarray(image).astype(np.int64)
    if values.min() < 0 or values.max() > 65535:
        raise ValueError("pixels of more than 16 bits")
    return Image.fromarray(((values + 128) // 257).astype(np.uint8))


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
        ValueError: the file is no image of a known format, is cut short or cannot be converted; says why.
    """
    try:
        with warnings.catch_warnings():
            # about damaged metadata and large files; damaged pixels and far too large files raise
            warnings.simplefilter("ignore")
            with Image.open(path, formats=FORMATS) as image:
                return to_rgb(image)
    except MemoryError:
        raise
    except Image.UnidentifiedImageError:
        raise ValueError(f"not an image in one of {', '.join(FORMATS)}") from None
    except Exception as error:  # decoders raise whatever a damaged file makes them stumble over
        raise ValueError(getattr(error, "strerror", None) or str(error) or type(error).__name__) from error


def resize(image: Image.Image, size: int, geometry: Geometry) -> Image.Image:
    """Antialiased Lanczos resize.

    Args:
        image: RGB.
        size: pixels.
        geometry: crop brings the shortest side to size, larger or smaller, as VQGAN does; squash brings both.
    """
    if geometry == "squash":
        target = (size, size)
    else:
        shortest = min(image.size)
        target = tuple(size if side == shortest else max(size, round(side * size / shortest)) for side in image.size)
    return image if image.size == target else image.resize(target, Image.Resampling.LANCZOS)
