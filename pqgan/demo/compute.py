"""What the page shows, computed: reconstructions and their numbers, codes as a map, codes of two pictures mixed."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from pqgan.errors import DataError, NumericalError, ResourceError
from pqgan.evaluate.baselines.codecs import Codec
from pqgan.evaluate.metrics import psnr
from pqgan.evaluate.networks.pixels import to_float, to_uint8
from pqgan.subjects import code_bits, stored_as
from pqgan.tokenizer.kinds import Tokenizer
from pqgan.tokenizer.perceptual import LEAST_SIDE

COLOURS = "turbo"
NET = "alex"
"""Of LPIPS: the network that the paper's values are of."""

Way = Literal["subspaces", "columns"]


class Reconstruction(NamedTuple):
    """A picture through a model, and what that cost and kept."""

    pixels: np.ndarray
    """(H, W, 3), uint8."""
    codes: np.ndarray | None
    """(S, h, w) int64; None of a model without codes."""
    bits: int | None
    """Of the picture as the model stores it; None of continuous latents, which have no size of their own."""
    psnr: float
    """dB, of 8-bit images; inf where it is exact."""
    lpips: float | None
    """None without its network, or of a picture smaller than that takes."""

    @property
    def bits_per_pixel(self) -> float | None:
        return None if self.bits is None else self.bits / (self.pixels.shape[0] * self.pixels.shape[1])


@torch.inference_mode()
def reconstruct(
    tokenizer: Tokenizer, pixels: np.ndarray, lpips: nn.Module | None, device: torch.device
) -> Reconstruction:
    """A picture through a model, measured as `pqgan evaluate` measures.

    Args:
        tokenizer: on the device; of a codec the quality is found for this picture.
        pixels: (H, W, 3), uint8, whose sides F divides.
        lpips: `Perceptual` on the device, or None.

    Raises:
        SettingsError: no quality of a codec has its bits.
        NumericalError: latents or pixels that are not finite.
        ResourceError: too little memory.
    """
    height, width, _ = pixels.shape
    with _clear_errors(height, width):
        images = _images(pixels, device)
        if isinstance(tokenizer, Codec):
            tokenizer = tokenizer.on(lambda: iter([images]), "of this picture")
        made, stored = tokenizer.round_trip(images)
        levels = to_uint8(made)  # (1, 3, H, W)
        originals = to_uint8(images)
        distance = None
        if lpips is not None and min(height, width) >= LEAST_SIDE[NET]:
            distance = float(lpips(to_float(originals), to_float(levels)))
    symbols = stored_as(tokenizer.subject())
    if symbols is not None:
        bits = stored.numel() * code_bits(symbols[1])
    else:
        bits = None if stored is None else round(float(stored) * height * width)
    return Reconstruction(
        pixels=_pixels(levels),
        codes=stored[0].cpu().numpy() if "K" in tokenizer.subject() else None,
        bits=bits,
        psnr=float(psnr.each(psnr.squared_errors(originals, levels))),
        lpips=distance,
    )


def mixed(a: np.ndarray, b: np.ndarray, share: float, way: Way) -> np.ndarray:
    """Codes of two pictures in one.

    Args:
        a, b: (S, h, w) of one tokenizer.
        share: of a in [0, 1].
        way: the first subspaces of a and the others of b, or the left columns of a and the others of b.

    Raises:
        DataError: another shape of the two.
    """
    if a.shape != b.shape:
        raise DataError(f"codes to mix are {a.shape} and {b.shape}; expected one shape of both")
    whole = b.copy()
    if way == "subspaces":
        n = round(share * a.shape[0])
        whole[:n] = a[:n]
    else:
        n = round(share * a.shape[2])
        whole[:, :, :n] = a[:, :, :n]
    return whole


@torch.inference_mode()
def decoded(tokenizer: Tokenizer, codes: np.ndarray, device: torch.device) -> np.ndarray:
    """Pixels (H, W, 3), uint8, of codes (S, h, w).

    Raises:
        NumericalError: pixels that are not finite.
        ResourceError: too little memory.
    """
    with _clear_errors(*(side * tokenizer.factor for side in codes.shape[1:])):
        return _pixels(to_uint8(tokenizer.decode_codes(torch.from_numpy(codes)[None].to(device)).clamp(-1, 1)))


def code_map(tokenizer: Tokenizer, codes: np.ndarray, s: int) -> np.ndarray:
    """One subspace's codes as colours, a square of F x F for each: (H, W, 3), uint8.

    Of the product quantiser the colour follows the codeword's place along its codebook's direction of most variance, so
    that like words have like colours; of others it follows the code itself.

    Args:
        codes: (S, h, w).
        s: subspace.
    """
    from matplotlib import colormaps

    subject = tokenizer.subject()
    places = _places(tokenizer, s, subject["K"])
    colours = colormaps[COLOURS](places[codes[s]] / max(1, subject["K"] - 1), bytes=True)[..., :3]  # (h, w, 3)
    return colours.repeat(tokenizer.factor, axis=0).repeat(tokenizer.factor, axis=1)


def _places(tokenizer: Tokenizer, s: int, K: int) -> np.ndarray:
    """(K,) whole numbers from 0, the place of each code in the order of colours."""
    codebooks = getattr(getattr(tokenizer.model, "quantiser", None), "codebooks", None)
    if codebooks is None:
        return np.arange(K)
    words = codebooks[s].detach().double().cpu()  # (K, c)
    direction = torch.linalg.svd(words - words.mean(dim=0), full_matrices=False).Vh[0]  # (c,)
    along = words @ (direction * direction[direction.abs().argmax()].sign())
    return along.argsort().argsort().numpy()


def _images(pixels: np.ndarray, device: torch.device) -> Tensor:
    """(1, 3, H, W) in [-1, 1]."""
    return to_float(torch.tensor(pixels).permute(2, 0, 1)[None].contiguous().to(device))


def _pixels(levels: Tensor) -> np.ndarray:
    """(H, W, 3) of (1, 3, H, W), uint8."""
    return levels[0].permute(1, 2, 0).cpu().numpy()


@contextmanager
def _clear_errors(height: int, width: int) -> Iterator[None]:
    try:
        yield
    except ValueError as error:  # the quantiser's own
        raise NumericalError(f"{error}; the tokenizer diverged: train it again") from None
    except RuntimeError as error:
        if not isinstance(error, torch.OutOfMemoryError) and "can't allocate memory" not in str(error):
            raise
        raise ResourceError(
            f"out of memory with a picture of {width} x {height} px; start with a smaller --side"
        ) from None
