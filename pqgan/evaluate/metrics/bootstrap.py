"""Confidence intervals of metrics that are computed from one number an image."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from pqgan.errors import NumericalError
from pqgan.randomness import generator_at

LEVEL = 0.95


def interval(
    values: Tensor,
    statistic: Callable[[Tensor], Tensor | float] = torch.mean,
    *,
    seed: int = 0,
    resamples: int = 1000,
) -> tuple[float, float] | None:
    """The 95 % interval of a statistic by the percentile bootstrap (Efron 1979), as scipy.stats.bootstrap computes it.

    One resample is held at a time. A seed gives the same interval on every device.

    Args:
        values: (N,), one for each image.
        statistic: of values (N,), one number: torch.mean, psnr.mean, psnr.pooled, ...

    Returns:
        Lower and upper end; None for fewer than 2 values, which say nothing about their spread. An end is infinite
        where that many resamples are.

    Raises:
        NumericalError: a value, or the statistic of a resample, is not a number.
    """
    if values.dim() != 1:
        raise ValueError(f"bootstrap: got values {tuple(values.shape)}; expected (N,)")
    n = len(values)
    if n < 2:
        return None
    values = values.detach().to("cpu", torch.float64)
    generator = generator_at(seed, 0, "bootstrap")
    found = torch.empty(resamples, dtype=torch.float64)
    for number in range(resamples):
        found[number] = statistic(values[torch.randint(n, (n,), generator=generator)])
    if found.isnan().any():
        raise NumericalError(
            "bootstrap: a resample's value is not a number; expected a metric that is defined on every image"
        )
    found = found.sort().values
    return _quantile(found, (1 - LEVEL) / 2), _quantile(found, (1 + LEVEL) / 2)


def _quantile(ordered: Tensor, share: float) -> float:
    """Linear between the nearest two, which may be infinite."""
    position = share * (len(ordered) - 1)
    lower, upper = float(ordered[math.floor(position)]), float(ordered[math.ceil(position)])
    return lower if lower == upper else lower + (upper - lower) * (position - math.floor(position))
