"""Colours that a file's ICC profile explains, as sRGB: what a colour-managed viewer shows of them."""

import io
from collections.abc import Callable
from functools import lru_cache, partial

import numpy as np
from PIL import Image, ImageCms

MODES = {"RGB": "RGB", "GRAY": "L", "CMYK": "CMYK"}
"""Of the images that a profile of a colour space is for."""
STEPS = {"RGB": 9, "L": 256, "CMYK": 5}
"""Levels of each channel whose colours are looked at."""
ALIKE = 1
"""Levels of 8 bits between a profile's colours and sRGB's at which they are the same: what rounding makes of it."""


class ProfileError(ValueError):
    """A profile that is damaged, or not for such an image."""


def in_srgb(image: Image.Image, profile: bytes | None) -> tuple[Image.Image, bool]:
    """The same colours in sRGB, by relative colorimetry with black point compensation, and whether any changed.

    An image whose profile is sRGB's own stays as it is, whatever rounding would make of it.

    Args:
        image: of mode L, RGB or CMYK.
        profile: an ICC profile.

    Returns:
        The image, where colours change of mode RGB.

    Raises:
        ProfileError: the profile is damaged, or is one for images of another kind.
    """
    mode, change = _change(profile or b"")
    image = _as(image, mode)
    return (image, False) if change is None else (change(image), True)


def _as(image: Image.Image, mode: str) -> Image.Image:
    if image.mode == mode:
        return image
    if (image.mode, mode) == ("L", "RGB"):
        return image.convert("RGB")
    if (image.mode, mode) == ("RGB", "L"):  # as grey with transparency is decoded
        first, *others = image.split()
        if all(np.array_equal(first, other) for other in others):
            return first
    raise ProfileError(f"a profile for {mode} images, of one of mode {image.mode}")


@lru_cache(maxsize=16)
def _change(profile: bytes) -> tuple[str, Callable[[Image.Image], Image.Image] | None]:
    """Mode of the images that a profile is for, and what brings those to sRGB; None where it is sRGB's own."""
    try:
        opened = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        mode = MODES[opened.profile.xcolor_space.strip()]
        transform = ImageCms.buildTransform(
            opened,
            ImageCms.createProfile("sRGB"),
            mode,
            "RGB",
            ImageCms.Intent.RELATIVE_COLORIMETRIC,
            # of grey a table of all levels is made; the library's own would have 33 of them
            ImageCms.Flags.BLACKPOINTCOMPENSATION | (ImageCms.Flags.NOOPTIMIZE if mode == "L" else 0),
        )
        before = _colours(mode)
        after = np.asarray(ImageCms.applyTransform(before, transform)).astype(int)  # (1, N, 3)
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError, KeyError) as error:
        raise ProfileError(str(error) or type(error).__name__) from None
    if np.ptp(after) < 128:
        raise ProfileError("a profile that makes one colour of all")
    if mode != "CMYK" and np.abs(after - np.asarray(before.convert("RGB"))).max() <= ALIKE:
        return mode, None
    if mode == "L":
        table = after[0, : STEPS["L"]].T  # (3, 256)
        return mode, lambda image: Image.merge("RGB", [image.point(levels.tolist()) for levels in table])
    return mode, partial(ImageCms.applyTransform, transform=transform)


def _colours(mode: str) -> Image.Image:
    """Colours (1, N) of a mode, all over its range, and all its greys."""
    channels = len(mode)
    levels = np.linspace(0, 255, STEPS[mode]).round().astype(np.uint8)
    grid = np.stack(np.meshgrid(*[levels] * channels, indexing="ij"), axis=-1).reshape(-1, channels)
    greys = np.repeat(np.arange(256, dtype=np.uint8)[:, None], channels, axis=1)
    colours = np.concatenate([grid, greys])  # (N, channels)
    return Image.frombytes(mode, (len(colours), 1), colours.tobytes())
