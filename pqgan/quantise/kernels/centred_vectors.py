"""Vectors as the matrix units compare them: less a centre, scaled to norm 1, in float16."""

import torch
import triton
import triton.language as tl
from torch import Tensor


def centred(x: Tensor, centre: Tensor) -> tuple[Tensor, Tensor]:
    """Of x (B, S, c, P) less the centre (S, c): directions (S, B P, c) float16 and norms (S, B P) fp32."""
    B, S, C, P = x.shape
    directions = torch.empty(S, B * P, C, dtype=torch.float16, device=x.device)
    norms = torch.empty(S, B * P, dtype=torch.float32, device=x.device)
    _centre[triton.cdiv(B * P, 32), S](
        x, centre, directions, norms, B * P, P, *x.stride(), C=C, ROWS=32, CHANNELS=32, num_warps=4
    )
    return directions, norms


@triton.jit
def _offset(x_ptr, centre_ptr, inside, channel, xc, C: tl.constexpr):
    held = inside & (channel < C)
    x = tl.load(x_ptr + channel.to(tl.int64) * xc, mask=held, other=0.0).to(tl.float32)
    # x - x: not a number where x is not finite
    return tl.where(held, x - tl.load(centre_ptr + channel, mask=channel < C, other=0.0) + (x - x), 0.0)


@triton.jit
def _centre(
    x_ptr, centre_ptr, directions_ptr, norms_ptr, N, P, xb, xs, xc, xp,
    C: tl.constexpr, ROWS: tl.constexpr, CHANNELS: tl.constexpr,
):  # fmt: skip
    s = tl.program_id(1).to(tl.int64)
    row = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    inside = (row < N)[:, None]
    x_ptr += (row // P).to(tl.int64)[:, None] * xb + s * xs + (row % P).to(tl.int64)[:, None] * xp
    directions_ptr += (s * N + row)[:, None] * C
    centre_ptr += s * C
    squared = tl.zeros((ROWS, CHANNELS), tl.float32)
    for first in range(0, C, CHANNELS):
        offset = _offset(x_ptr, centre_ptr, inside, (first + tl.arange(0, CHANNELS))[None, :], xc, C)
        squared += offset * offset
    norm = tl.sqrt_rn(tl.sum(squared, axis=1))
    # squares of what is smaller have underflowed, products of what is larger may overflow; nan stays nan
    norm = tl.where(norm < 2.0**-56, 2.0**-56, tl.where(norm > 2.0**60, float("inf"), norm))
    tl.store(norms_ptr + s * N + row, norm, mask=row < N)
    for first in range(0, C, CHANNELS):
        channel = (first + tl.arange(0, CHANNELS))[None, :]
        offset = _offset(x_ptr, centre_ptr, inside, channel, xc, C)
        tl.store(directions_ptr + channel, (offset / norm[:, None]).to(tl.float16), mask=inside & (channel < C))
