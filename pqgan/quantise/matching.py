"""The nearest codeword of every subspace, exactly, without the (N, S, K) tensor of all distances."""

import torch
from torch import Tensor

BLOCK_ELEMENTS = 1 << 22
"""Distances held at a time: 16 MiB in fp32."""


@torch.no_grad()
def nearest_codes(z: Tensor, codebooks: Tensor) -> Tensor:
    """Index of the nearest codeword in Euclidean distance; the lowest index where several are equally near.

    Args:
        z: (N, S, d/S) sub-vectors, any float type.
        codebooks: (S, K, d/S) codewords.

    Returns:
        (N, S) int64 codes in [0, K).

    Raises:
        ValueError: shapes do not fit, or a sub-vector is not finite; says where.
    """
    if z.dim() != 3 or codebooks.dim() != 3 or z.shape[1:] != codebooks.shape[::2]:
        raise ValueError(
            f"nearest_codes: got z {tuple(z.shape)} and codebooks {tuple(codebooks.shape)}; "
            "expected (N, S, d/S) and (S, K, d/S)"
        )
    z, codebooks = z.float(), codebooks.float()
    # a sum is finite only if every term is (or it overflows): one cheap pass before the exact search for the culprit
    if not z.sum().isfinite() and not z.isfinite().all():
        where = (~z.isfinite()).nonzero()[0].tolist()
        raise ValueError(f"nearest_codes: z is not finite at (position, subspace, channel) {tuple(where)}")
    codes = torch.empty(z.shape[:2], dtype=torch.int64, device=z.device)
    search = _ordered if z.shape[2] == 1 else _by_differences if z.shape[2] <= 8 else _by_products
    for subspace in range(z.shape[1]):
        search(z[:, subspace], codebooks[subspace], codes[:, subspace])
    return codes


def _ordered(z: Tensor, codebook: Tensor, codes: Tensor) -> None:
    """Scalar codewords: binary search in the sorted codebook, then the nearer of the two neighbours."""
    z = z[:, 0].contiguous()  # (N)
    # stable, so that of equal codewords the first is found
    values, order = codebook[:, 0].sort(stable=True)  # (K), (K)
    right = torch.searchsorted(values, z).clamp_(max=len(values) - 1)  # first value >= z
    left = torch.searchsorted(values, values[(right - 1).clamp_(min=0)])  # first of the equal values below z
    gap_left, gap_right = (z - values[left]).abs(), (z - values[right]).abs()
    first, second = order[left], order[right]
    nearer_left = (gap_left < gap_right) | ((gap_left == gap_right) & (first < second))
    codes.copy_(torch.where(nearer_left, first, second))


def _by_differences(z: Tensor, codebook: Tensor, codes: Tensor) -> None:
    """Few channels: the sum of squared differences, channel by channel."""
    rows = max(1, BLOCK_ELEMENTS // len(codebook))
    for start in range(0, len(z), rows):
        block = z[start : start + rows]  # (n, d/S)
        distances = (block[:, :1] - codebook[:, 0]).square_()  # (n, K)
        for channel in range(1, z.shape[1]):
            difference = block[:, channel, None] - codebook[:, channel]
            distances.addcmul_(difference, difference)
        codes[start : start + rows] = distances.argmin(dim=1)


def _by_products(z: Tensor, codebook: Tensor, codes: Tensor) -> None:
    """Many channels: |e|^2 - 2 z.e picks candidates, differences in float64 decide among them."""
    centre = codebook.mean(dim=0)  # a common offset would cancel away the digits that decide
    offset = codebook - centre
    squared = offset.square().sum(dim=1)  # (K)
    rows = max(1, BLOCK_ELEMENTS // len(codebook))
    kept = min(8, len(codebook))
    for start in range(0, len(z), rows):
        block = z[start : start + rows]
        screened = torch.addmm(squared, block - centre, offset.T, alpha=-2)  # (n, K)
        candidates = screened.topk(kept, dim=1, largest=False).indices.sort(dim=1).values  # (n, kept), low index first
        differences = block.double()[:, None] - codebook.double()[candidates]  # (n, kept, d/S)
        best = differences.square().sum(dim=2).argmin(dim=1, keepdim=True)
        codes[start : start + rows] = candidates.gather(1, best)[:, 0]
