"""Any image file to RGB, and RGB to the geometry of a set."""

import os
import stat
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from math import isqrt, prod
from pathlib import Path
from typing import Literal, NamedTuple

from PIL import ExifTags, Image, ImageOps, TiffImagePlugin

from pqgan.errors import SettingsError

from .colours import ProfileError, in_srgb
from .levels import Span, eight_bits, span
from .png import essence
from .tiff import opened_by_libtiff, scrambled

Geometry = Literal["crop", "squash"]

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif", ".ppm", ".pgm"})
# no format whose decoder starts another program, as PostScript's does
FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF", "PPM")


MAX_PIXELS = 1 << 28
"""16384 x 16384: more than the 200 megapixels of the largest cameras in use, and 1 GiB once decoded."""
LARGEST_SIDE = isqrt(MAX_PIXELS)
"""Of a square."""
# Pillow refuses more than twice this, by the size that a file declares, before anything is decoded
Image.MAX_IMAGE_PIXELS = MAX_PIXELS // 2

Profile = Literal["converted", "ignored"]


class Decoded(NamedTuple):
    """An image of a file."""

    image: Image.Image
    """RGB of 8 bits, nothing in its `info`."""
    profile: Profile | None
    """What became of the file's colour profile: converted to sRGB; ignored, because it is damaged or for images of
    another kind; or None, where there is none or sRGB's own.
    """


XMP = ("xmp", "XML:com.adobe.xmp")
EXIF = ("exif", "Raw profile type exif")
"""What Pillow calls the places of an orientation."""


def _upright(image: Image.Image) -> Image.Image:
    """As its EXIF or its XMP says, with neither left; damaged EXIF says nothing."""
    image.load()
    try:
        image.getexif().get(ExifTags.Base.Orientation)
    except MemoryError:
        raise
    except Exception:  # whatever a damaged one makes Pillow stumble over
        image = _without(image.copy(), EXIF)  # a copy reads anew, from what is left
    image.getexif()
    # read, and not to be written again, which fails where another entry is damaged
    return ImageOps.exif_transpose(_without(image, EXIF + XMP))


def _without(image: Image.Image, entries: tuple[str, ...]) -> Image.Image:
    for entry in entries:
        image.info.pop(entry, None)
    return image


def _layers(image: Image.Image, levels: Span | None) -> tuple[Image.Image, Image.Image | None]:
    """Colours, of mode L, RGB or CMYK, and their opacity, where they have one."""
    if levels:
        return eight_bits(image, levels)
    if image.mode == "La":  # of which there is no conversion but to LA
        image = image.convert("LA")
    opacity = image.convert("RGBA").getchannel("A") if image.has_transparency_data else None
    if image.mode in ("1", "L", "LA"):
        return image.convert("L"), opacity
    return image if image.mode == "CMYK" else image.convert("RGB"), opacity


def to_rgb(image: Image.Image, *, managed: bool = True) -> Decoded:
    """8-bit RGB: upright as EXIF or XMP says, in sRGB as its profile says, transparency over white.

    Levels of more bits are scaled, the whole range to the whole range.

    Args:
        image: as it was opened.
        managed: whether a colour profile is looked at.

    Raises:
        ValueError: pixels whose range is not known (floating point, signed, more than 16 bits).
    """
    levels = span(image)
    image = _upright(image)
    colours, opacity = _layers(image, levels)
    profile: Profile | None = None
    # the colours of mode LAB are defined without one
    if managed and "icc_profile" in image.info and image.mode != "LAB":
        try:
            colours, changed = in_srgb(colours, image.info["icc_profile"])
            profile = "converted" if changed else None
        except ProfileError:
            profile = "ignored"
    colours = colours.convert("RGB")
    if opacity is not None:
        colours.putalpha(opacity)
        colours = Image.alpha_composite(Image.new("RGBA", image.size, "white"), colours).convert("RGB")
    colours.info.clear()  # or what is saved of it would carry the profile on
    return Decoded(colours, profile)


@contextmanager
def opened(path: Path | str) -> Iterator[Image.Image]:
    """An image file, not decoded yet, with no more of a PNG than its pixels, colours and orientation take."""
    if (png := essence(path, MAX_PIXELS)) is None:
        with Image.open(path, formats=FORMATS) as image:
            if not scrambled(image):
                yield image
                return
        with opened_by_libtiff(path) as image:
            yield image
        return
    file, info = png
    with Image.open(file, formats=FORMATS) as image:
        image.info.update(info)
        yield image


def decode(path: Path | str, *, managed: bool = True) -> Decoded:
    """Decode a file to 8-bit RGB; of an animation, the first frame.

    Args:
        managed: whether a colour profile is looked at.

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
            with opened(path) as image:
                return to_rgb(image, managed=managed)
    except MemoryError:
        raise
    except Image.UnidentifiedImageError:
        raise ValueError(_unread(path)) from None
    except Exception as error:  # decoders raise whatever a damaged file makes them stumble over
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        if reason.startswith(("decoder error", "buffer is not")):  # all that libtiff, or a raw file's map, gives
            reason = f"truncated or damaged ({reason})"
        raise ValueError(reason) from error


def read_rgb(path: Path | str, *, managed: bool = True) -> Image.Image:
    """The image alone of `decode`."""
    return decode(path, managed=managed).image


def told(converted: int, ignored: int) -> str:
    """What became of the colour profiles of many images, to end a line with; empty where nothing did."""
    changed = f"; {converted} converted to sRGB from the colours of their profile" if converted else ""
    left = f"; {ignored} colour profile{'s' * (ignored > 1)} ignored (damaged, or for other images)" if ignored else ""
    return changed + left


def _unread(path: Path | str) -> str:
    with open(path, "rb") as file:
        start = file.read(20)
    if start.startswith(tuple(TiffImagePlugin.PREFIXES)):
        return "a TIFF that is damaged, or of channels or bits that Pillow does not read; save it as RGB of 8 bits"
    return f"not an image in one of {', '.join(FORMATS)}: starts with {start.decode('latin-1')!a}"


def check_side(size: int | None) -> None:
    """Refuse a side that no image can be brought to.

    Raises:
        SettingsError: more than LARGEST_SIDE.
    """
    if size is not None and size > LARGEST_SIDE:
        raise SettingsError(f"--size: got {size}; allowed: up to {LARGEST_SIDE}, of {MAX_PIXELS} pixels")


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
