"""The nearest codeword of every subspace, exactly, without the (N, S, K) tensor of all distances."""

import torch
from torch import Tensor

BLOCK_ELEMENTS = 1 << 22
"""Distances held at a time: 16 MiB in fp32."""
BLOCK_ELEMENTS_CPU = 1 << 18
"""Likewise on a CPU: what its inner cache holds."""


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
    # a sum is finite only if every term is (or it overflows): one cheap pass before the exact search for the culprit
    if not z.sum(dtype=torch.float32).isfinite() and not z.isfinite().all():
        where = (~z.isfinite()).nonzero()[0].tolist()
        raise ValueError(f"nearest_codes: z is not finite at (position, subspace, channel) {tuple(where)}")
    return search(z, codebooks)


@torch.library.custom_op("pqgan::nearest_codes", mutates_args=())
def search(z: Tensor, codebooks: Tensor) -> Tensor:
    """`nearest_codes` without its checks: any codes for what is not finite, and no wait for the device.

    One operator to a compiler, which would otherwise unroll all blocks of distances.
    """
    z, codebooks = z.float().transpose(0, 1), codebooks.float()  # (S, N, d/S), (S, K, d/S)
    if z.shape[2] == 1:
        return _ordered(z[..., 0], codebooks[..., 0]).T.contiguous()
    nearest = _by_differences if z.shape[2] <= 8 else _by_products
    elements = BLOCK_ELEMENTS_CPU if z.device.type == "cpu" else BLOCK_ELEMENTS
    rows = max(1, elements // codebooks[..., 0].numel())
    return torch.cat([nearest(block, codebooks) for block in z.split(rows, dim=1)], dim=1).T.contiguous()


@search.register_fake
def _(z: Tensor, codebooks: Tensor) -> Tensor:
    return z.new_empty(z.shape[:2], dtype=torch.int64)


def _ordered(z: Tensor, codebooks: Tensor) -> Tensor:
    """Scalars (S, N), codewords (S, K): binary search in the sorted codebooks, then the nearer of two neighbours."""
    # stable, so that of equal codewords the first is found
    values, order = codebooks.sort(dim=1, stable=True)  # (S, K), (S, K)
    z = z.contiguous()
    right = torch.searchsorted(values, z).clamp_(max=values.shape[1] - 1)  # first value >= z
    below = values.gather(1, (right - 1).clamp_(min=0))
    left = torch.searchsorted(values, below)  # first of the equal values below z
    gap_left, gap_right = (z - values.gather(1, left)).abs(), (z - values.gather(1, right)).abs()  # (S, N)
    first, second = order.gather(1, left), order.gather(1, right)
    nearer_left = (gap_left < gap_right) | ((gap_left == gap_right) & (first < second))
    return torch.where(nearer_left, first, second)


def _by_differences(z: Tensor, codebooks: Tensor) -> Tensor:
    """Few channels (S, n, d/S): the sum of squared differences, channel by channel."""
    distances = (z[:, :, None, 0] - codebooks[:, None, :, 0]).square_()  # (S, n, K)
    for channel in range(1, z.shape[2]):
        difference = z[:, :, None, channel] - codebooks[:, None, :, channel]
        distances.addcmul_(difference, difference)
    return distances.argmin(dim=2)


def _by_products(z: Tensor, codebooks: Tensor) -> Tensor:
    """Many channels (S, n, d/S): |e|^2 - 2 z.e picks candidates, differences in float64 decide among them."""
    centre = codebooks.mean(dim=1, keepdim=True)  # (S, 1, d/S); a common offset would cancel away deciding digits
    offset = codebooks - centre
    squared = offset.square().sum(dim=2)[:, None]  # (S, 1, K)
    screened = torch.baddbmm(squared, z - centre, offset.transpose(1, 2), alpha=-2)  # (S, n, K)
    kept = min(8, codebooks.shape[1])
    candidates = screened.topk(kept, dim=2, largest=False).indices.sort(dim=2).values  # (S, n, kept), low index first
    subspace = torch.arange(len(z), device=z.device)[:, None, None]
    differences = z.double()[:, :, None] - codebooks.double()[subspace, candidates]  # (S, n, kept, d/S)
    best = differences.square().sum(dim=3).argmin(dim=2, keepdim=True)
    return candidates.gather(2, best)[:, :, 0]
