"""Second pass of the screened search: what the bounds leave open is decided by direct distances in float64."""

import triton
import triton.language as tl

from .upper_bounds import cosines_of, slack
from .write_results import write

TIE = tl.constexpr(2.0**-40)
"""Distances that differ by less are one: sums in float64 round, and duplicates of a word must not differ."""


@triton.jit
def _by_words(z_ptr, words_ptr, k, held, zc, C: tl.constexpr, ROWS: tl.constexpr, CHANNELS: tl.constexpr):
    """|z - e|^2 (ROWS,) of rows z_ptr (ROWS,), each to a word of its own, k (ROWS,)."""
    squared = tl.zeros((ROWS, CHANNELS), tl.float64)
    for first in range(0, C, CHANNELS):
        channel = (first + tl.arange(0, CHANNELS))[None, :]
        mask = held[:, None] & (channel < C)
        z = tl.load(z_ptr[:, None] + channel.to(tl.int64) * zc, mask=mask, other=0.0).to(tl.float64)
        gap = z - tl.load(words_ptr + k[:, None] * C + channel, mask=mask, other=0.0).to(tl.float64)
        squared += gap * gap
    return tl.sum(squared, axis=1)


@triton.jit
def _by_row(z_ptr, words_ptr, word, zc, K: tl.constexpr, C: tl.constexpr, BLOCK: tl.constexpr, CHANNELS: tl.constexpr):
    """|z - e|^2 (BLOCK,) of one row z_ptr to words `word`; infinite from K on."""
    squared = tl.zeros((BLOCK, CHANNELS), tl.float64)
    for first in range(0, C, CHANNELS):
        channel = first + tl.arange(0, CHANNELS)
        z = tl.load(z_ptr + channel.to(tl.int64) * zc, mask=channel < C, other=0.0).to(tl.float64)[None, :]
        held = (word < K)[:, None] & (channel < C)[None, :]
        e = tl.load(words_ptr + word[:, None] * C + channel[None, :], mask=held, other=0.0).to(tl.float64)
        squared += (z - e) * (z - e)
    return tl.where(word < K, tl.sum(squared, axis=1), float("inf"))


@triton.jit
def decide(
    directions_ptr, a_ptr, e_ptr, b_ptr, bounds_ptr, z_ptr, words_ptr, distances_ptr, codes_ptr, N, P,
    zb, zs, zc, zp, blocks, splits,
    K: tl.constexpr, C: tl.constexpr, ROWS: tl.constexpr, BLOCK: tl.constexpr, CHANNELS: tl.constexpr,
):  # fmt: skip
    """Nearest (ROWS,) of `blocks` blocks of words, and its distance; infinite where no word came into question."""
    s, split = tl.program_id(1).to(tl.int64), tl.program_id(2)
    place = tl.arange(0, ROWS)
    row = tl.program_id(0) * ROWS + place
    z_ptr += s * zs
    words_ptr += s * K * C
    g, h = slack(C)
    a = tl.load(a_ptr + s * N + row, mask=row < N, other=float("nan"))
    bound = tl.full((ROWS,), float("inf"), tl.float32)
    for other in range(splits):
        found = tl.load(bounds_ptr + (other * tl.num_programs(1) + s) * N + row, mask=row < N, other=0.0)
        bound = tl.minimum(bound, found)
    # squares that underflow are beyond any relative bound
    bound += 2.0**-100
    best = tl.full((ROWS,), float("inf"), tl.float64)
    code = tl.zeros((ROWS,), tl.int32)
    for block in range(split * blocks, (split + 1) * blocks):
        word = block * BLOCK + tl.arange(0, BLOCK)
        b = tl.load(b_ptr + s * K + word, mask=word < K, other=0.0)
        cosines = cosines_of(directions_ptr + s * N * C, e_ptr + s * K * C, row, word, N, K, C, ROWS, BLOCK, CHANNELS)
        lower = ((0.5 - h) * b * b)[None, :] - a[:, None] * b[None, :] * (g + cosines)
        # not "at most the bound", so that what overflowed is decided too; a is not a number where z is not finite
        open = (word < K)[None, :] & (a == a)[:, None] & ~(lower > bound[:, None])
        words_open = tl.sum(open.to(tl.int32), axis=1)  # (ROWS,)
        rows_open = tl.sum((words_open > 0).to(tl.int32), axis=0)
        if 2 * tl.max(words_open, axis=0) <= rows_open:
            # many rows, few words in each: the next word of every row at a time
            k = tl.min(tl.where(open, word[None, :], K), axis=1)
            while tl.min(k, axis=0) < K:
                z_row = z_ptr + (row // P).to(tl.int64) * zb + (row % P).to(tl.int64) * zp
                distance = _by_words(z_row, words_ptr, k, k < K, zc, C, ROWS, 32)
                better = (k < K) & (distance < best * (1 - TIE))
                best = tl.where(better, distance, best)
                code = tl.where(better, k, code)
                k = tl.min(tl.where(open & (word[None, :] > k[:, None]), word[None, :], K), axis=1)
        else:
            # few rows, or many words in some: all words of the next row at a time
            at = tl.min(tl.where(words_open > 0, place, ROWS), axis=0)
            while at < ROWS:
                n = tl.program_id(0) * ROWS + at
                z_row = z_ptr + (n // P).to(tl.int64) * zb + (n % P).to(tl.int64) * zp
                distance = _by_row(z_row, words_ptr, word, zc, K, C, BLOCK, 32)
                least = tl.min(distance, axis=0)
                k = tl.min(tl.where(distance <= least * (1 + TIE), word, K), axis=0)
                better = (place == at) & (least < best * (1 - TIE))
                best = tl.where(better, least, best)
                code = tl.where(better, k, code)
                at = tl.min(tl.where((words_open > 0) & (place > at), place, ROWS), axis=0)
    out = (split * tl.num_programs(1) + s) * N + row
    tl.store(distances_ptr + out, best, mask=row < N)
    tl.store(codes_ptr + out, code, mask=row < N)


@triton.jit
def gather(
    distances_ptr, nearest_ptr, splits, words_ptr, z_ptr, codes_ptr, z_q_ptr, parts_ptr, N, P,
    zb, zs, zc, zp, qb, qs, qc, qp,
    K: tl.constexpr, C: tl.constexpr, ROWS: tl.constexpr, CHANNELS: tl.constexpr, WORDS: tl.constexpr,
):  # fmt: skip
    """The nearest of all splits; low indices are in the first."""
    s = tl.program_id(1).to(tl.int64)
    row = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    best = tl.full((ROWS,), float("inf"), tl.float64)
    code = tl.zeros((ROWS,), tl.int32)
    for split in range(splits):
        place = (split * tl.num_programs(1) + s) * N + row
        distance = tl.load(distances_ptr + place, mask=row < N, other=float("inf"))
        better = distance < best * (1 - TIE)
        code = tl.where(better, tl.load(nearest_ptr + place, mask=row < N, other=0), code)
        best = tl.where(better, distance, best)
    channel = tl.program_id(2).to(tl.int64) * CHANNELS
    write(
        code, row, s, channel, words_ptr, z_ptr, codes_ptr, z_q_ptr, parts_ptr, N, P, zb, zs, zc, zp, qb, qs, qc, qp,
        K, C, CHANNELS, WORDS,
    )  # fmt: skip
