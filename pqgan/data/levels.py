"""Grey of more than 8 bits as 8, by what its file declares of black and white."""

from typing import NamedTuple

import numpy as np
from PIL import Image, TiffImagePlugin

WHITE_IS_ZERO, SIGNED = 0, 2
"""Of a TIFF's PhotometricInterpretation, and of its SampleFormat."""


class Span(NamedTuple):
    """Levels of grey."""

    black: int
    white: int


def span(image: Image.Image) -> Span | None:
    """Of grey of more than 8 bits; None where Pillow's own 8 bits are right.

    Args:
        image: as it was opened; no copy of it knows what its file declares.

    Raises:
        ValueError: pixels whose range no file declares: floating point, signed, or of more than 16 bits.
    """
    tags = image.tag_v2 if isinstance(image, TiffImagePlugin.TiffImageFile) else {}
    if image.mode == "F":
        raise ValueError("floating-point pixels, whose white is not known; save it with unsigned 8 or 16 bits")
    if SIGNED in tags.get(TiffImagePlugin.SAMPLEFORMAT, ()):
        raise ValueError("signed pixels, whose black and white are not known; save it with unsigned 8 or 16 bits")
    # of mode I, Pillow scales those of PGM to 16 bits
    if image.mode == "I" and image.format != "PPM":
        raise ValueError("pixels of more than 16 bits, whose white is not known; save it with unsigned 8 or 16 bits")
    if not image.mode.startswith("I"):
        return None
    bits, *_ = tags.get(TiffImagePlugin.BITSPERSAMPLE, (16,))
    most = (1 << bits) - 1
    inverted = tags and tags.get(TiffImagePlugin.PHOTOMETRIC_INTERPRETATION, WHITE_IS_ZERO) == WHITE_IS_ZERO
    return Span(most, 0) if inverted else Span(0, most)


def eight_bits(image: Image.Image, levels: Span) -> tuple[Image.Image, Image.Image | None]:
    """The whole range to the whole range, and the opacity, where a level is transparent; Pillow's own conversion clips
    at 255.
    """
    values = np.asarray(image)
    most = max(levels)
    table = ((255 * np.arange(most + 1) + most // 2) // most).astype(np.uint8)
    transparent = image.info.get("transparency")
    opacity = None if transparent is None else Image.fromarray(np.where(values == transparent, 0, 255).astype(np.uint8))
    return Image.fromarray((table if levels.white else table[::-1])[values]), opacity
