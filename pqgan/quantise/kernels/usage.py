"""How often every codeword was used."""

import torch
import triton
import triton.language as tl
from torch import Tensor

from ..ranges import check_range
from .launch import can_run

ELEMENTS = 1024


@torch.no_grad()
def histogram(codes: Tensor, K: int, *, found: bool = False) -> Tensor:
    """Exact counts (S, K) int64 of codes (B, S, P) int64.

    Args:
        found: by a search in such codebooks, so that they need no check, which waits for the device.

    Raises:
        ValueError: codes of another shape, type or device, or one outside [0, K).
    """
    if codes.dim() != 3 or codes.dtype != torch.int64 or not can_run(codes):
        raise ValueError(
            f"histogram: got codes {tuple(codes.shape)} {codes.dtype} on {codes.device}; "
            "expected (B, S, P) torch.int64 on a CUDA device"
        )
    if not found:
        check_range("histogram", codes, K)
    _, S, P = codes.shape
    counts = torch.zeros(S, K, dtype=torch.int64, device=codes.device)
    if codes.numel():
        with torch.cuda.device_of(codes):
            _count[triton.cdiv(codes.numel(), ELEMENTS),](
                codes.contiguous(), counts, codes.numel(), S, P, K, ELEMENTS=ELEMENTS, num_warps=4
            )
    return counts


@triton.jit
def _count(codes_ptr, counts_ptr, total, S, P, K, ELEMENTS: tl.constexpr):
    place = tl.program_id(0).to(tl.int64) * ELEMENTS + tl.arange(0, ELEMENTS)
    code = tl.load(codes_ptr + place, mask=place < total, other=-1)
    counted = (code >= 0) & (code < K)
    # sums of integers do not depend on their order
    tl.atomic_add(counts_ptr + place // P % S * K + code, 1, mask=counted, sem="relaxed")
