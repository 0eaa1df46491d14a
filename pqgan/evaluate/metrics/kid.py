"""Kernel Inception Distance (Binkowski et al. 2018)."""

import torch
from torch import Tensor

PROTOCOL = "KID, polynomial kernel (degree 3), unbiased"


def kid(
    x: Tensor,
    y: Tensor,
    *,
    subsets: int = 100,
    subset_size: int = 1000,
    generator: torch.Generator | None = None,
) -> tuple[float, float]:
    """Mean and standard deviation over random subsets of the unbiased squared MMD under (x.y / D + 1)^3, in float64.

    The subsets are drawn as torchmetrics draws them, from x before y, so that equal generators give equal values.

    Args:
        x, y: features (n, D) and (m, D); they may be memory-mapped: only a subset of each is held as float64.
        subsets: how many pairs of subsets.
        subset_size: of each, drawn without replacement.
        generator: CPU generator; the global one without it.
    """
    if x.dim() != 2 or y.dim() != 2 or x.shape[1] != y.shape[1]:
        raise ValueError(f"kid: got features {tuple(x.shape)} and {tuple(y.shape)}; expected (n, D) and (m, D)")
    if not 2 <= subset_size <= min(len(x), len(y)):
        raise ValueError(
            f"kid: got subset_size {subset_size} for {len(x)} and {len(y)} images; expected 2 to the smaller number"
        )
    found = torch.empty(subsets, dtype=torch.float64)
    for number in range(subsets):
        drawn = [
            features[torch.randperm(len(features), generator=generator)[:subset_size].to(features.device)].double()
            for features in (x, y)
        ]
        found[number] = _squared_mmd(*drawn)
    return float(found.mean()), float(found.std(unbiased=False))


def _squared_mmd(x: Tensor, y: Tensor) -> Tensor:
    """Of subsets (m, D) of one size; pairs (i, i) are left out of the sums within a set."""
    m = len(x)
    within = sum(kernel.sum() - kernel.trace() for kernel in (_kernel(x, x), _kernel(y, y)))
    return within / (m * (m - 1)) - 2 * _kernel(x, y).mean()


def _kernel(x: Tensor, y: Tensor) -> Tensor:
    """(m, D), (m, D) -> (m, m)"""
    return (x @ y.T / x.shape[1] + 1) ** 3
