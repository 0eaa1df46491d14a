"""Which search for which codebook."""

import torch
from torch import Tensor

from .binary_search import FEWEST_WORDS, search_in_order
from .direct_distances import MOST_CHANNELS, search_directly
from .launch import checked
from .screened import search_screened
from .write_results import Found


@torch.no_grad()
def search(z: Tensor, codebooks: Tensor) -> Tensor:
    """Index of the nearest codeword in Euclidean distance.

    Exact up to the rounding of distances in fp32; up to 16 channels the lowest index of those equally near in fp32,
    with more, of those in float64. For sub-vectors that are not finite, any index.

    Args:
        z: (B, S, c, P) sub-vectors, float16, bfloat16 or float32.
        codebooks: (S, K, c) codewords.

    Returns:
        (B, S, P) int64 codes in [0, K).

    Raises:
        ValueError: shapes, types or devices that do not fit.
    """
    return _found(z, checked("search", z, codebooks), words=False).codes


@torch.no_grad()
def assign(z: Tensor, codebooks: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """`search`, and in the same kernel the codewords and how far they are.

    Args:
        z: (B, S, c, P) sub-vectors, float16, bfloat16 or float32.
        codebooks: (S, K, c) codewords.

    Returns:
        codes (B, S, P) int64; z_q (B, S, c, P) fp32 in the layout of z; the sum of (z - z_q)^2, a 0-dimensional fp32
        tensor, the same on every repetition, not finite where z is not.

    Raises:
        ValueError: shapes, types or devices that do not fit.
    """
    found = _found(z, checked("assign", z, codebooks), words=True)
    return found.codes, found.z_q, found.error()


def _found(z: Tensor, codebooks: Tensor, words: bool) -> Found:
    found = Found(z, words)
    if found.codes.numel():
        _, K, C = codebooks.shape
        if C == 1 and K >= FEWEST_WORDS:
            search_in_order(codebooks, found)
        elif C <= MOST_CHANNELS:
            search_directly(codebooks, found)
        else:
            search_screened(codebooks, found)
    return found
