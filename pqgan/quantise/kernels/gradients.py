"""Gradients of codewords and squared error, the same on every repetition: segment sums over sorted codes."""

import torch
import triton
import triton.language as tl
from torch import Tensor

from ..ranges import check_range
from .launch import checked, checked_codes

CHANNELS = 16
"""Channels of a program."""


@torch.no_grad()
def assign_backward(
    grad_z_q: Tensor,
    on_latents: Tensor,
    on_codebook: Tensor,
    z: Tensor,
    codes: Tensor,
    codebooks: Tensor,
    *,
    found: bool = False,
) -> tuple[Tensor, Tensor]:
    """Gradients of z and codebooks, where z_q passes its gradient to z and each has its own weight of the error.

    With e the codeword of z: grad_z = grad_z_q + 2 on_latents (z - e), and the gradient of a codeword is the sum of
    2 on_codebook (e - z) over its positions.

    Args:
        grad_z_q: (B, S, c, P), any strides.
        on_latents: factor of the error whose gradient goes to z, 0-dimensional fp32 on the device.
        on_codebook: likewise, to the codebooks.
        z: (B, S, c, P) sub-vectors.
        codes: (B, S, P) int64.
        codebooks: (S, K, c).
        found: the codes are those of a search in the codebooks, and need no check, which waits for the device.

    Returns:
        grad_z in the type and layout of z, grad_codebooks (S, K, c) fp32.

    Raises:
        ValueError: shapes, types or devices that do not fit, or a code outside [0, K).
    """
    words = checked("assign_backward", z, codebooks)
    codes = checked_codes("assign_backward", codes, z)
    if not found:
        check_range("assign_backward", codes, words.shape[1])
    if grad_z_q.shape != z.shape or grad_z_q.device != z.device:
        raise ValueError(f"assign_backward: got grad_z_q {tuple(grad_z_q.shape)} on {grad_z_q.device}; expected as z")
    for name, weight in (("on_latents", on_latents), ("on_codebook", on_codebook)):
        if weight.numel() != 1 or weight.dtype != torch.float32 or weight.device != z.device:
            raise ValueError(f"assign_backward: {name} is {tuple(weight.shape)} {weight.dtype} on {weight.device}")
    grad_z = torch.empty_like(z)
    if not z.numel():
        return grad_z, torch.zeros_like(words)
    B, S, C, P = z.shape
    K = words.shape[1]
    with torch.cuda.device_of(z):
        channels = min(CHANNELS, triton.next_power_of_2(C))
        _latents[triton.cdiv(B * P, 256), S, triton.cdiv(C, channels)](
            grad_z_q, on_latents, z, codes, words, grad_z, B * P, P, *grad_z_q.stride(), *z.stride(), *grad_z.stride(),
            K=K, C=C, ROWS=256, CHANNELS=channels, num_warps=4,
        )  # fmt: skip
        return grad_z, _codebook_gradient(on_codebook, z, codes, words, channels)


def _codebook_gradient(on_codebook: Tensor, z: Tensor, codes: Tensor, words: Tensor, channels: int) -> Tensor:
    B, S, C, P = z.shape
    K = words.shape[1]
    order, ends = _by_codeword(codes, K)
    gradient = torch.empty_like(words)
    # a row of positions for each codeword: as long as most need it
    steps = 32 if B * P >= 16 * K else 8
    _codewords[triton.cdiv(S * K, 128 // steps), triton.cdiv(C, channels)](
        on_codebook, z, order, ends, words, gradient, S, P, *z.stride(),
        TOTAL=S * K, C=C, WORDS=128 // steps, STEPS=steps, CHANNELS=channels, num_warps=4,
    )  # fmt: skip
    return gradient


def _by_codeword(codes: Tensor, K: int) -> tuple[Tensor, Tensor]:
    """Places (B S P,) in codes (B, S, P), codeword by codeword, and where each of the (S K,) codewords' places end."""
    S = codes.shape[1]
    # sorting takes time by the byte
    dtype = torch.int16 if S * K <= 2**15 else torch.int32
    every = torch.arange(S * K, dtype=dtype, device=codes.device)
    keys, order = (codes + every[::K, None]).to(dtype).flatten().sort(stable=True)
    return order, torch.searchsorted(keys, every, right=True)


@triton.jit
def _latents(
    grad_ptr, weight_ptr, z_ptr, codes_ptr, words_ptr, out_ptr, N, P, gb, gs, gc, gp, zb, zs, zc, zp, ob, os, oc, op,
    K: tl.constexpr, C: tl.constexpr, ROWS: tl.constexpr, CHANNELS: tl.constexpr,
):  # fmt: skip
    s, channel = tl.program_id(1).to(tl.int64), tl.program_id(2).to(tl.int64) * CHANNELS
    row = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    inside = row < N
    b, p = (row // P).to(tl.int64), (row % P).to(tl.int64)
    code = tl.load(codes_ptr + (b * tl.num_programs(1) + s) * P + p, mask=inside, other=0)
    weight = 2.0 * tl.load(weight_ptr)
    grad_ptr += b * gb + s * gs + channel * gc + p * gp
    z_ptr += b * zb + s * zs + channel * zc + p * zp
    out_ptr += b * ob + s * os + channel * oc + p * op
    words_ptr += (s * K + code) * C + channel
    for i in tl.static_range(CHANNELS):
        held = inside & (channel + i < C)
        z = tl.load(z_ptr, mask=held, other=0.0).to(tl.float32)
        gap = z - tl.load(words_ptr + i, mask=held, other=0.0)
        gradient = tl.load(grad_ptr, mask=held, other=0.0).to(tl.float32) + weight * gap
        tl.store(out_ptr, gradient.to(out_ptr.dtype.element_ty), mask=held)
        grad_ptr += gc
        z_ptr += zc
        out_ptr += oc


@triton.jit
def _codewords(
    weight_ptr, z_ptr, order_ptr, ends_ptr, words_ptr, out_ptr, S, P, zb, zs, zc, zp,
    TOTAL: tl.constexpr, C: tl.constexpr, WORDS: tl.constexpr, STEPS: tl.constexpr, CHANNELS: tl.constexpr,
):  # fmt: skip
    """A few codewords' gradients: lane after lane in turn, then over lanes, always in one order."""
    word = tl.program_id(0) * WORDS + tl.arange(0, WORDS)
    channel = tl.program_id(1) * CHANNELS + tl.arange(0, CHANNELS)
    end = tl.load(ends_ptr + word, mask=word < TOTAL, other=0)
    start = tl.load(ends_ptr + word - 1, mask=(word > 0) & (word < TOTAL), other=0)
    held = (word < TOTAL)[:, None] & (channel < C)[None, :]
    place = word.to(tl.int64)[:, None] * C + channel[None, :]
    e = tl.load(words_ptr + place, mask=held, other=0.0)
    z_channel = z_ptr + channel.to(tl.int64)[None, None, :] * zc
    total = tl.zeros((WORDS, STEPS, CHANNELS), tl.float32)
    longest = tl.max(end - start, axis=0)
    for step in range(0, longest, STEPS):
        turn = start[:, None] + step + tl.arange(0, STEPS)[None, :]
        member = turn < end[:, None]
        place_in_codes = tl.load(order_ptr + turn, mask=member, other=0)  # (b S + s) P + p
        p, b, s = place_in_codes % P, place_in_codes // P // S, place_in_codes // P % S
        mask = member[:, :, None] & held[:, None, :]
        z = tl.load(z_channel + (b * zb + s * zs + p * zp)[:, :, None], mask=mask, other=0.0).to(tl.float32)
        total += tl.where(mask, e[:, None, :] - z, 0.0)
    weight = 2.0 * tl.load(weight_ptr)
    tl.store(out_ptr + place, weight * tl.sum(total, axis=1), mask=held)
