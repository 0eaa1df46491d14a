"""First pass of the screened search: a least upper bound for every position."""

import triton
import triton.language as tl


@triton.jit
def cosines_of(
    z_ptr, e_ptr, row, word, N, K: tl.constexpr, C: tl.constexpr, ROWS: tl.constexpr, BLOCK: tl.constexpr,
    CHANNELS: tl.constexpr,
):  # fmt: skip
    """z.e (ROWS, BLOCK) of directions; 0 beyond N and K."""
    cosines = tl.zeros((ROWS, BLOCK), tl.float32)
    for first in range(0, C, CHANNELS):
        channel = first + tl.arange(0, CHANNELS)
        z_held, e_held = (row < N)[:, None], (word < K)[None, :]
        if C % CHANNELS != 0:
            z_held, e_held = z_held & (channel < C)[None, :], e_held & (channel < C)[:, None]
        z = tl.load(z_ptr + row.to(tl.int64)[:, None] * C + channel[None, :], mask=z_held, other=0.0)
        e = tl.load(e_ptr + word[None, :] * C + channel[:, None], mask=e_held, other=0.0)
        cosines = tl.dot(z, e, cosines)
    return cosines


@triton.jit
def slack(C: tl.constexpr):
    """Bounds of errors. g: of a cosine, two roundings to float16, with 2^-13 for the roundings of norms, of small
    numbers and of the centre, and 2^-22 a channel for sums. h: of half a squared norm.
    """
    return 2**-10 + 2**-13 + C * 2**-22, (C + 32) * 2**-24


@triton.jit
def bound_all(
    z_ptr, a_ptr, e_ptr, b_ptr, bounds_ptr, N, blocks,
    K: tl.constexpr, C: tl.constexpr, ROWS: tl.constexpr, BLOCK: tl.constexpr, CHANNELS: tl.constexpr,
):  # fmt: skip
    """Least upper bound (ROWS,) over `blocks` blocks of words; a and b are norms."""
    s, split = tl.program_id(1).to(tl.int64), tl.program_id(2)
    row = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    g, h = slack(C)
    a = tl.load(a_ptr + s * N + row, mask=row < N, other=0.0)
    bound = tl.full((ROWS,), float("inf"), tl.float32)
    for block in range(split * blocks, (split + 1) * blocks):
        word = block * BLOCK + tl.arange(0, BLOCK)
        b = tl.load(b_ptr + s * K + word, mask=word < K, other=float("inf"))
        cosines = cosines_of(z_ptr + s * N * C, e_ptr + s * K * C, row, word, N, K, C, ROWS, BLOCK, CHANNELS)
        upper = a[:, None] * b[None, :] * (g - cosines) + ((0.5 + h) * b * b)[None, :]
        bound = tl.minimum(bound, tl.min(upper, axis=1))
    tl.store(bounds_ptr + (split * tl.num_programs(1) + s) * N + row, bound, mask=row < N)
