"""Images of any sizes through a tokenizer, in batches of one size: files to pixels to codes, and codes to pixels."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
import psutil
import torch
from torch import Tensor

from pqgan.data.names import shown
from pqgan.data.pixels import MAX_PIXELS, Profile, decode, resize
from pqgan.errors import NumericalError, ResourceError

from .kinds import Tokenizer

BATCH_PIXELS = 1 << 20
"""Of a batch where no number of images is asked for: 16 images of 256 px, one of a megapixel or more."""
WINDOW_PIXELS = 1 << 24
"""Of the images among which those of one size are looked for: 48 MiB."""


class Picture(NamedTuple):
    """An image of a folder."""

    name: str
    pixels: np.ndarray
    """(H, W, 3), uint8."""
    profile: Profile | None = None
    """What became of its colour profile."""


def pictures(folder: Path, names: Iterable[str], size: int | None, unreadable: list[str]) -> Iterator[Picture]:
    """Every image; after the first that cannot be read none, as the others are then read only to name all the bad ones.

    Args:
        folder: of the images.
        names: relative to it.
        size: of a square from the centre of each, its shortest side brought there; None keeps images as they are.
        unreadable: takes the names of images that cannot be read, and why.

    Raises:
        ResourceError: too little memory for an image.
    """
    for name in names:
        try:
            image, profile = decode(folder / name)
            if size:
                image = resize(image, size, "crop")
                left, top = (image.width - size) // 2, (image.height - size) // 2
                image = image.crop((left, top, left + size, top + size))
        except ValueError as error:
            unreadable.append(f"{shown(name)} ({shown(' '.join(str(error).split()))})")
        except MemoryError:
            raise ResourceError(f"{folder}: out of memory with {shown(name)}; remove it") from None
        else:
            if not unreadable:
                yield Picture(name, np.asarray(image), profile)


def windows(images: Iterable[Picture], batch: int | None) -> Iterator[list[Picture]]:
    """Images in order, in lists long enough to hold some of one size, and no longer than MAX_PIXELS need."""
    window: list[Picture] = []
    pixels = 0
    for image in images:
        window.append(image)
        pixels += image.pixels.size // 3
        if pixels >= MAX_PIXELS or (pixels >= WINDOW_PIXELS and len(window) >= (batch or 1)):
            yield window
            window, pixels = [], 0
    if window:
        yield window


def batches(shapes: Sequence[tuple[int, int]], batch: int | None) -> Iterator[list[int]]:
    """Positions of images of one shape (height, width): `batch` of them, no more than hold MAX_PIXELS, or as many as
    hold BATCH_PIXELS.
    """
    alike: dict[tuple[int, int], list[int]] = {}
    for position, shape in enumerate(shapes):
        alike.setdefault(shape, []).append(position)
    for (height, width), positions in alike.items():
        held = max(1, (MAX_PIXELS if batch else BATCH_PIXELS) // (height * width))
        most = min(batch or held, held)
        for start in range(0, len(positions), most):
            yield positions[start : start + most]


def padded(pixels: np.ndarray, F: int) -> np.ndarray:
    """An image (H, W, 3), mirrored below and to the right up to multiples of F."""
    height, width, _ = pixels.shape
    return np.pad(pixels, ((0, -height % F), (0, -width % F), (0, 0)), mode="reflect")


def encoded(tokenizer: Tokenizer, pixels: np.ndarray, device: torch.device) -> np.ndarray:
    """Codes (B, S, h, w) of images (B, H, W, 3), uint8, whose sides are multiples of F.

    Raises:
        NumericalError: latents that are not finite.
        ResourceError: too little memory.
    """
    with _clear_errors(tokenizer, *pixels.shape[:3]):
        # a tensor, because CUDA multiplies by the rounded reciprocal of a number
        half = torch.tensor(127.5, device=device)
        images_uint8 = torch.from_numpy(pixels).to(device).permute(0, 3, 1, 2)  # (B, 3, H, W)
        images = images_uint8.float().div_(half).sub_(1).contiguous()
        return tokenizer.codes(images).cpu().numpy()


def decoded(tokenizer: Tokenizer, codes: np.ndarray, device: torch.device) -> np.ndarray:
    """Images (B, H, W, 3), uint8, of codes (B, S, h, w).

    Raises:
        NumericalError: pixels that are not finite.
        ResourceError: too little memory.
    """
    B, _, h, w = codes.shape
    with _clear_errors(tokenizer, B, h * tokenizer.factor, w * tokenizer.factor):
        images: Tensor = tokenizer.decode_codes(torch.from_numpy(codes.astype(np.int64)).to(device))  # (B, 3, H, W)
        if not images.isfinite().all():
            raise ValueError("pixels are not finite")
        return images.add(1).mul(127.5).round().clamp(0, 255).byte().permute(0, 2, 3, 1).cpu().numpy()


@contextmanager
def _clear_errors(tokenizer: Tokenizer, count: int, height: int, width: int) -> Iterator[None]:
    many = f"{count} images of {width}x{height} px" if count > 1 else f"an image of {width}x{height} px"
    lack = f"out of memory with {many}; lower --batch, or encode at a smaller --size"
    # of the layers at full size an input and an output at least; a system that gives more than it has ends a process
    # without a word once it is used
    needed = 2 * 4 * max(3, tokenizer.model.config.block_out_channels[0]) * count * height * width
    if tokenizer.model.device.type == "cpu" and needed > psutil.virtual_memory().available:
        raise ResourceError(lack)
    try:
        yield
    except ValueError as error:  # the quantiser's own
        raise NumericalError(f"{error}, with {many}; the tokenizer diverged: train it again") from None
    except RuntimeError as error:
        if not isinstance(error, torch.OutOfMemoryError) and "can't allocate memory" not in str(error):
            raise
        raise ResourceError(lack) from None
