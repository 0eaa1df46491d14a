"""CMMD: maximum mean discrepancy between CLIP embeddings (Jayasumana et al. 2024)."""

import torch
from torch import Tensor

SIGMA = 10.0
SCALE = 1000.0
BLOCK = 2048
"""Rows of each side at a time: 2048 x 2048 kernel values in float64 are 32 MiB."""

PROTOCOL = "MMD, Gaussian kernel, sigma 10, biased V-statistic, x1000, float64"


def cmmd(x: Tensor, y: Tensor, device: torch.device | str | None = None) -> float:
    """Squared MMD of embeddings (n, D) and (m, D) of unit length, with all pairs (i, i) included, times 1000.

    On unit vectors it is close to 10 |mean x - mean y|^2, because the kernel is much wider than the sphere. Never
    negative; equal sets are at 0 up to rounding, 1e-11.

    Args:
        x, y: of any floating type, on any device, and possibly memory-mapped: blocks alone become float64.
        device: to compute on; x's without it.
    """
    if x.dim() != 2 or y.dim() != 2 or x.shape[1] != y.shape[1]:
        raise ValueError(f"cmmd: got embeddings {tuple(x.shape)} and {tuple(y.shape)}; expected (n, D) and (m, D)")
    if not (len(x) and len(y)):
        raise ValueError(f"cmmd: got {len(x)} and {len(y)} embeddings; expected at least one of each")
    device = x.device if device is None else torch.device(device)
    statistic = _mean_within(x, device) + _mean_within(y, device) - 2 * _mean_between(x, y, device)
    return SCALE * max(0.0, float(statistic))


def _mean_between(x: Tensor, y: Tensor, device: torch.device) -> Tensor:
    """Mean of k(x_i, y_j) - 1 over all pairs; the ones cancel in the statistic, and here so do their roundings."""
    total = torch.zeros((), dtype=torch.float64, device=device)
    for left in x.split(BLOCK):
        left = left.to(device, torch.float64)  # (B, D)
        for right in y.split(BLOCK):
            total += _kernel_sum(left, right.to(device, torch.float64))
    return total / (len(x) * len(y))


def _mean_within(x: Tensor, device: torch.device) -> Tensor:
    """_mean_between(x, x), each pair of blocks once."""
    total = torch.zeros((), dtype=torch.float64, device=device)
    blocks = x.split(BLOCK)
    for number, left in enumerate(blocks):
        left = left.to(device, torch.float64)  # (B, D)
        total += _kernel_sum(left, left)
        for right in blocks[number + 1 :]:
            total += 2 * _kernel_sum(left, right.to(device, torch.float64))
    return total / len(x) ** 2


def _kernel_sum(x: Tensor, y: Tensor) -> Tensor:
    """Sum of k - 1 over the pairs of (a, D) and (b, D)."""
    distances = torch.addmm(y.square().sum(dim=1), x, y.T, alpha=-2)  # (a, b)
    distances += x.square().sum(dim=1, keepdim=True)
    return distances.clamp_(min=0).div_(-2 * SIGMA**2).expm1_().sum()
