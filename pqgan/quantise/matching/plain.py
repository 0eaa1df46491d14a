"""Nearest codewords in pure PyTorch: slower than the other backends, on any device with float64, and exact."""

from collections.abc import Callable

import torch
from torch import Tensor

BLOCK_ELEMENTS = 1 << 21
"""Distances held at a time: 8 MiB in fp32."""
BLOCK_ELEMENTS_CPU = 1 << 18
"""Likewise on a CPU: what its inner cache holds."""
CANDIDATES = 8
"""Codewords of a position that are looked at twice, unless more of them are as near within rounding."""
ROUNDING = {"highest": 2.0**-24, "high": 2.0**-11, "medium": 2.0**-8}
"""Of a factor of a matrix product, by torch.get_float32_matmul_precision()."""


def search(z: Tensor, codebooks: Tensor) -> Tensor:
    """Codes (B, S, P) int64 of sub-vectors (B, S, c, P) among codewords (S, K, c)."""
    B, S, c, P = z.shape
    K = codebooks.shape[1]
    # by a power of two, which rounds nothing, so that no square over- or underflows; positions that still do so
    # are as far from all codewords within rounding
    _, exponent = codebooks.float().abs().amax(dim=(1, 2), keepdim=True).frexp()
    scale = torch.exp2(-exponent.clamp(-120, 120).float())  # (S, 1, 1)
    codebooks = codebooks.float() * scale
    scaled = torch.empty(S, B, P, c, device=z.device)
    scaled = torch.mul(z.permute(1, 0, 3, 2).float(), scale[..., None], out=scaled).flatten(1, 2)  # (S, N, c), N = B P
    elements = BLOCK_ELEMENTS_CPU if z.device.type == "cpu" else BLOCK_ELEMENTS
    held = 16 if c == 1 else K if c <= 8 else max(K, 4 * CANDIDATES * c)  # numbers a position
    blocks = range(0, B * P, max(1, elements // (S * held)))
    prepare = _ordered if c == 1 else _by_differences if c <= 8 else _by_products
    nearest = prepare(codebooks, min(blocks.step, B * P))
    codes = torch.empty(S, B * P, dtype=torch.int64, device=z.device)
    for start in blocks:
        codes[:, start : start + blocks.step] = nearest(scaled[:, start : start + blocks.step])
    return codes.view(S, B, P).transpose(0, 1).contiguous()


Nearest = Callable[[Tensor], Tensor]
"""Codes (S, n) of sub-vectors (S, n, c), n at most the rows that were prepared for.

Each keeps its memory for all blocks: freed and taken anew, it grows in some allocators to that of all distances.
"""


def _ordered(codebooks: Tensor, rows: int) -> Nearest:
    """One channel: binary search in the sorted codebooks, then the nearer of two neighbours."""
    # stable, so that of equal codewords the first is found
    values, order = codebooks[..., 0].sort(dim=1, stable=True)  # (S, K), (S, K)

    def nearest(z: Tensor) -> Tensor:
        z = z[..., 0].contiguous()  # (S, n)
        last = values.shape[1] - 1  # of codebooks that are not finite no value need be the first
        right = torch.searchsorted(values, z).clamp_(max=last)  # first value >= z
        below = values.gather(1, (right - 1).clamp_(min=0))
        left = torch.searchsorted(values, below).clamp_(max=last)  # first of the equal values below z
        gap_left, gap_right = (z - values.gather(1, left)).abs(), (z - values.gather(1, right)).abs()
        first, second = order.gather(1, left), order.gather(1, right)
        nearer_left = (gap_left < gap_right) | ((gap_left == gap_right) & (first < second))
        return torch.where(nearer_left, first, second)

    return nearest


def _by_differences(codebooks: Tensor, rows: int) -> Nearest:
    """Few channels: the sum of squared differences, channel by channel."""
    space = codebooks.new_empty(2, len(codebooks), rows, codebooks.shape[1])

    def nearest(z: Tensor) -> Tensor:
        distances, difference = space[:, :, : z.shape[1]]  # (S, n, K) each
        torch.sub(z[:, :, None, 0], codebooks[:, None, :, 0], out=distances).square_()
        for channel in range(1, z.shape[2]):
            torch.sub(z[:, :, None, channel], codebooks[:, None, :, channel], out=difference)
            distances.addcmul_(difference, difference)
        return distances.argmin(dim=2)

    return nearest


def _by_products(codebooks: Tensor, rows: int) -> Nearest:
    """Many channels: |e|^2 - 2 z.e picks candidates, differences in float64 decide among them."""
    S, K, c = codebooks.shape
    space = codebooks.new_empty(S, rows, K)
    centre = codebooks.mean(dim=1, keepdim=True)  # (S, 1, c); a common offset would cancel away deciding digits
    offset = codebooks - centre
    squared = offset.square().sum(dim=2)[:, None]  # (S, 1, K)
    longest = squared.amax(dim=2).sqrt()  # (S, 1)
    # how far two scores can be off: rounding of c products, of their factors and of both sums (Higham, section 3.1)
    rounding = ROUNDING[torch.get_float32_matmul_precision()] * 4 * (c + 8)

    def nearest(z: Tensor) -> Tensor:
        from_centre, screened = z - centre, space[:, : z.shape[1]]
        torch.baddbmm(squared, from_centre, offset.transpose(1, 2), alpha=-2, out=screened)
        best = screened.topk(min(CANDIDATES + 1, K), dim=2, largest=False)
        codes = _nearest_of(z, codebooks, best.indices[:, :, :CANDIDATES])
        if K <= CANDIDATES:
            return codes
        margin = rounding * longest * (2 * from_centre.norm(dim=2) + longest)  # (S, n)
        unsettled = best.values[:, :, -1] <= best.values[:, :, 0] + margin
        for subspace in unsettled.any(dim=1).nonzero().flatten().tolist():
            left = unsettled[subspace]
            codes[subspace, left] = _in_float64(from_centre[subspace, left], offset[subspace])
        return codes

    return nearest


def _nearest_of(z: Tensor, codebooks: Tensor, candidates: Tensor) -> Tensor:
    """Codes (S, n) of sub-vectors (S, n, c) among candidates (S, n, k) of their codewords (S, K, c)."""
    candidates = candidates.sort(dim=2).values  # low index first
    subspace = torch.arange(len(z), device=z.device)[:, None, None]
    differences = z.double()[:, :, None] - codebooks[subspace, candidates].double()  # (S, n, k, c)
    best = differences.square().sum(dim=3).argmin(dim=2, keepdim=True)
    return candidates.gather(2, best)[:, :, 0]


def _in_float64(z: Tensor, codebook: Tensor) -> Tensor:
    """Codes (n,) of sub-vectors (n, c) among codewords (K, c): the first whose distance is the least within 2^-40."""
    z, codebook = z.double(), codebook.double()
    scores = torch.addmm(codebook.square().sum(dim=1), z, codebook.T, alpha=-2)  # (n, K)
    margin = 2.0**-40 * (z.square().sum(dim=1) + codebook.square().sum(dim=1).max())
    return (scores <= (scores.amin(dim=1) + margin)[:, None]).byte().argmax(dim=1)
