"""TIFF files that Pillow's own reader scrambles, by libtiff."""

from pathlib import Path
from threading import Lock

from PIL import Image, TiffImagePlugin
from PIL.ExifTags import Base

YCBCR = 6
"""Of PhotometricInterpretation."""
APART = 2
"""Of PlanarConfiguration: each channel in strips of its own."""
QUARTER_TURNS = (5, 6, 7, 8)
"""Orientations that swap width and height."""
_ASKING = Lock()


def scrambled(image: Image.Image) -> bool:
    """Whether an image, as it was opened, comes out scrambled.

    Of the uncompressed ones, those to be turned by a quarter, those whose colours are of fewer pixels than their
    brightness, and those whose channels of 16 bits lie apart.
    """
    if not isinstance(image, TiffImagePlugin.TiffImageFile) or image.info.get("compression") != "raw":
        return False
    tags = image.tag_v2
    if tags.get(Base.Orientation) in QUARTER_TURNS:
        return True
    if tags.get(TiffImagePlugin.PHOTOMETRIC_INTERPRETATION) == YCBCR:
        return tags.get(TiffImagePlugin.YCBCRSUBSAMPLING, (2, 2)) != (1, 1)
    deep = max(tags.get(TiffImagePlugin.BITSPERSAMPLE, (1,))) > 8
    return deep and tags.get(TiffImagePlugin.PLANAR_CONFIGURATION) == APART


def opened_by_libtiff(path: Path | str) -> Image.Image:
    """A TIFF file, not decoded yet. For these alone: libtiff says on the error stream what is damaged."""
    with _ASKING:  # the choice is one for the process, and looked at while a file is opened
        TiffImagePlugin.READ_LIBTIFF = True
        try:
            return Image.open(path, formats=["TIFF"])
        finally:
            TiffImagePlugin.READ_LIBTIFF = False
