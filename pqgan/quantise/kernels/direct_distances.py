"""Few channels: every distance in its direct form, sum of squared differences, on the ordinary cores.

Of c channels a distance takes 2c operations and half of a minimum of three. Its index takes none: only the best block
of UNROLLED codewords is remembered, and searched again at the end.
"""

import torch
import triton
import triton.language as tl
from torch import Tensor

from .launch import multiprocessors, power_of_two
from .write_results import Found, write

MOST_CHANNELS = 16
"""More would fill a thread's registers."""
WARPS = 4


def search_directly(codebooks: Tensor, found: Found, lanes: int | None = None) -> None:
    """Fill in what is found in codebooks (S, K, c); ties in fp32 go to the lowest index.

    Args:
        lanes: threads that share out the codewords of one position, a power of two; enough to fill the device.
    """
    S, K, C = codebooks.shape
    N = found.codes.numel() // S
    # each codeword that a thread loads serves so many positions; a long search repays the registers
    rows_a_thread = 8 if C <= 4 and K >= 2048 else 4
    elements = WARPS * 32 * rows_a_thread
    if lanes is None:
        # four programs a multiprocessor hide latency; a lane has some codewords of its own
        wanted = 4 * multiprocessors(codebooks.device) * elements / (N * S)
        lanes = min(power_of_two(wanted), power_of_two(K / 8), WARPS * 32)
    rows = elements // lanes
    # long blocks cost little in the loop over all, short ones in the second search; instructions fill their cache
    unrolled = max(2, min(16, 32 // C, power_of_two(K / lanes / 16)))
    grid = (triton.cdiv(N, rows), S, 1)
    with torch.cuda.device_of(codebooks):
        _search[grid](
            codebooks, *found.arguments(grid[0] * S), K=K, C=C, ROWS=rows, LANES=lanes, UNROLLED=unrolled,
            WORDS=found.words, num_warps=WARPS,
        )  # fmt: skip


@triton.jit
def _component(ptr, k, K: tl.constexpr, EVEN: tl.constexpr):
    if EVEN:
        return tl.load(ptr)
    else:
        return tl.load(ptr, mask=k < K, other=float("inf"))


@triton.jit
def _distance(z, words_ptr, k, K: tl.constexpr, C: tl.constexpr, EVEN: tl.constexpr):
    """Squared distances (ROWS, LANES) of z, C columns (ROWS, 1), to codewords k; infinite from K on, unless EVEN.

    As the integers of their bits, which order like floats that are not negative, and of which one instruction finds
    the least of three. Not a number is the largest, its sign being positive on this hardware.
    """
    words_ptr += k * C
    gap = z[0] - _component(words_ptr, k, K, EVEN)
    distance = gap * gap
    for channel in tl.static_range(1, C):
        gap = z[channel] - _component(words_ptr + channel, k, K, EVEN)
        distance = tl.fma(gap, gap, distance)
    return distance.to(tl.int32, bitcast=True)


@triton.jit
def _lesser(z, words_ptr, k, K: tl.constexpr, C: tl.constexpr, LANES: tl.constexpr, EVEN: tl.constexpr):
    """The lesser of the distances to codewords k and k + LANES: in pairs, the compiler finds more minima of three."""
    return tl.minimum(_distance(z, words_ptr, k, K, C, EVEN), _distance(z, words_ptr, k + LANES, K, C, EVEN))


@triton.jit
def _search(
    words_ptr, z_ptr, codes_ptr, z_q_ptr, parts_ptr, N, P, zb, zs, zc, zp, qb, qs, qc, qp,
    K: tl.constexpr, C: tl.constexpr, ROWS: tl.constexpr, LANES: tl.constexpr, UNROLLED: tl.constexpr,
    WORDS: tl.constexpr,
):  # fmt: skip
    s = tl.program_id(1).to(tl.int64)
    row = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    z_row = z_ptr + (row // P).to(tl.int64) * zb + s * zs + (row % P).to(tl.int64) * zp
    z = ()
    for _ in tl.static_range(C):
        z += (tl.load(z_row, mask=row < N, other=0.0).to(tl.float32)[:, None],)
        z_row += zc
    words = words_ptr + s * K * C
    lane = tl.arange(0, LANES)[None, :]
    EVEN: tl.constexpr = K % (LANES * UNROLLED) == 0

    best = tl.full((ROWS, LANES), float("inf"), tl.float32)
    block = tl.zeros((ROWS, LANES), tl.int32)
    for first in range(0, K, LANES * UNROLLED):
        least = _lesser(z, words, first + lane, K, C, LANES, EVEN)
        for i in tl.static_range(2, UNROLLED, 2):
            least = tl.minimum(least, _lesser(z, words, first + i * LANES + lane, K, C, LANES, EVEN))
        least = least.to(tl.float32, bitcast=True)
        better = least < best
        best = tl.where(better, least, best)
        block = tl.where(better, first, block)

    best = tl.full((ROWS, LANES), float("inf"), tl.float32)
    code = tl.zeros((ROWS, LANES), tl.int32)
    for i in tl.static_range(UNROLLED):
        k = block + i * LANES + lane
        distance = _distance(z, words, k, K, C, EVEN).to(tl.float32, bitcast=True)
        better = distance < best
        best = tl.where(better, distance, best)
        code = tl.where(better, k, code)
    nearest = tl.min(best, axis=1)
    code = tl.min(tl.where(best == nearest[:, None], code, K), axis=1)
    write(
        code, row, s, 0, words_ptr, z_ptr, codes_ptr, z_q_ptr, parts_ptr, N, P, zb, zs, zc, zp, qb, qs, qc, qp,
        K, C, C, WORDS,
    )  # fmt: skip
