"""One channel and many codewords: binary search in the sorted codebook, then the nearer of two neighbours."""

import torch
import triton
import triton.language as tl
from torch import Tensor

from .write_results import Found, write

FEWEST_WORDS = 1024
"""Below, all distances cost less than sorting. A rule about K alone: codes must not depend on the size of the batch."""
ROWS = 256


def search_in_order(codebooks: Tensor, found: Found) -> None:
    """Fill in what is found in codebooks (S, K, 1).

    Distances are compared in fp32 between the two neighbours of z and the first codewords equal to them. Where z is
    so far from all codewords that their distances round to one number, that is the nearest, not the first of them.
    """
    S, K, _ = codebooks.shape
    values, order = codebooks[:, :, 0].sort(dim=1, stable=True)  # (S, K); stable: the first of equal ones leads
    N = found.codes.numel() // S
    grid = (triton.cdiv(N, ROWS), S, 1)
    with torch.cuda.device_of(found.z):
        _search[grid](
            values, order, codebooks, *found.arguments(grid[0] * S), K=K, STEPS=K.bit_length(), ROWS=ROWS,
            WORDS=found.words, num_warps=4,
        )  # fmt: skip


@triton.jit
def _first_not_below(values_ptr, z, K: tl.constexpr, STEPS: tl.constexpr):
    """Index (ROWS,) in [0, K] of the first value that is not below z."""
    index = tl.zeros(z.shape, tl.int32)
    for step in tl.static_range(STEPS):
        # so many values are below z if the last of them is
        ahead = index + (1 << (STEPS - 1 - step))
        value = tl.load(values_ptr + ahead - 1, mask=ahead <= K, other=float("inf"))
        index = tl.where(value < z, ahead, index)
    return index


@triton.jit
def _search(
    values_ptr, order_ptr, words_ptr, z_ptr, codes_ptr, z_q_ptr, parts_ptr, N, P, zb, zs, zc, zp, qb, qs, qc, qp,
    K: tl.constexpr, STEPS: tl.constexpr, ROWS: tl.constexpr, WORDS: tl.constexpr,
):  # fmt: skip
    s = tl.program_id(1).to(tl.int64)
    row = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    inside = row < N
    z_row = z_ptr + (row // P).to(tl.int64) * zb + s * zs + (row % P).to(tl.int64) * zp
    z = tl.load(z_row, mask=inside, other=0.0).to(tl.float32)
    values_ptr += s * K
    order_ptr += s * K

    right = tl.minimum(_first_not_below(values_ptr, z, K, STEPS), K - 1)
    above, below = tl.load(values_ptr + right), tl.load(values_ptr + tl.maximum(right - 1, 0))
    left = tl.maximum(right - 1, 0)
    before = tl.load(values_ptr + tl.maximum(right - 2, 0))
    if tl.max((before == below).to(tl.int32), axis=0) > 0:
        left = tl.minimum(_first_not_below(values_ptr, below, K, STEPS), K - 1)
    first, second = tl.load(order_ptr + left).to(tl.int32), tl.load(order_ptr + right).to(tl.int32)
    gap_first, gap_second = tl.abs(z - below), tl.abs(z - above)
    nearer = (gap_first < gap_second) | ((gap_first == gap_second) & (first < second))
    write(
        tl.where(nearer, first, second), row, s, 0, words_ptr, z_ptr, codes_ptr, z_q_ptr, parts_ptr, N, P,
        zb, zs, zc, zp, qb, qs, qc, qp, K, 1, 1, WORDS,
    )  # fmt: skip
