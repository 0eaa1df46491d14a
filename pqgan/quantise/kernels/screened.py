"""Many channels: matrix units screen, distances in float64 decide among what rounding leaves open.

With codebook and latents centred on the mean codeword, |z - e|^2 / 2 differs from |e|^2 / 2 - z.e by a number that is
the same for all codewords of a position. The matrix units find z.e from both vectors scaled to norm 1 and rounded to
float16, with an error of at most g |z| |e| (Cauchy-Schwarz; `slack`). The first pass finds for every position the
least upper bound over all codewords. The second finds the codewords whose lower bound is not above it, among them the
nearest for certain and most often no other, and decides by the direct form in float64.
"""

import torch
import triton
from torch import Tensor

from .centred_vectors import centred
from .exact_decision import decide, gather
from .launch import multiprocessors
from .upper_bounds import bound_all
from .write_results import Found

ROWS, BLOCK = 128, 128
"""Positions and codewords of a tile."""
CHANNELS_A_WRITER = 16


def search_screened(codebooks: Tensor, found: Found) -> None:
    """Fill in what is found in codebooks (S, K, c); exact in float64, ties go to the lowest index.

    Positions that are not finite get code 0.
    """
    (S, K, C), z = codebooks.shape, found.z
    N = found.codes.numel() // S
    tiles, blocks = triton.cdiv(N, ROWS), triton.cdiv(K, BLOCK)
    # two programs a multiprocessor, if there are so many blocks of codewords to share out
    blocks_a_program = triton.cdiv(blocks, triton.cdiv(2 * multiprocessors(z.device), tiles * S))
    splits = triton.cdiv(blocks, blocks_a_program)
    sizes = {"K": K, "C": C, "ROWS": ROWS, "BLOCK": BLOCK, "CHANNELS": 32 if C <= 32 else 64, "num_warps": 8}
    with torch.cuda.device_of(z):
        centre = codebooks.mean(dim=1)  # (S, c)
        words, b = centred(codebooks.transpose(1, 2)[None], centre)
        rows, a = centred(z, centre)
        bounds = torch.empty(splits, S, N, dtype=torch.float32, device=z.device)
        distances = torch.empty(splits, S, N, dtype=torch.float64, device=z.device)
        codes = torch.empty(splits, S, N, dtype=torch.int32, device=z.device)
        bound_all[tiles, S, splits](rows, a, words, b, bounds, N, blocks_a_program, **sizes)
        decide[tiles, S, splits](
            rows, a, words, b, bounds, z, codebooks, distances, codes, N, z.shape[3], *z.stride(),
            blocks_a_program, splits, **sizes,
        )  # fmt: skip
        writers = (triton.cdiv(N, 128), S, triton.cdiv(C, CHANNELS_A_WRITER) if found.words else 1)
        gather[writers](
            distances, codes, splits, codebooks, *found.arguments(writers[0] * S * writers[2]), K=K, C=C, ROWS=128,
            CHANNELS=CHANNELS_A_WRITER, WORDS=found.words, num_warps=4,
        )  # fmt: skip
