"""How much of the spread of values lies between groups, and how much within them."""

import math
from collections.abc import Sequence

from .contrasts import CONFIDENCE, Estimate, settled


def between_groups(groups: Sequence[Sequence[float]]) -> Estimate:
    """The share of the variance that lies between groups, the intraclass correlation of one-way analysis of variance.

    Its interval is that of the F test: F = mean square between / within, divided by the quantiles of the F distribution
    (Shrout and Fleiss, Intraclass correlations, Psychological Bulletin 86, 1979). It is exact for normal values and
    groups of one size; of several sizes Searle's mean size stands for them (Linear Models, 1971, chapter 9), and it is
    an approximation.

    Args:
        groups: values of each; two or more groups, one of them with two or more values.
    """
    import numpy as np  # as in contrasts.Fit
    from scipy.special import fdtri

    sizes = np.array([len(group) for group in groups])
    total, count = int(sizes.sum()), len(groups)
    means = np.array([np.mean(group) for group in groups])
    within = sum(float(((np.array(group) - mean) ** 2).sum()) for group, mean in zip(groups, means, strict=True))
    between = float((sizes * (means - (sizes * means).sum() / total) ** 2).sum())
    if not math.isfinite(within + between):
        return Estimate(math.nan, None)
    free = count - 1, total - count
    size = (total - float((sizes**2).sum()) / total) / free[0]
    if not within:
        # groups of equal values: all of it lies between them, or there is nothing to share
        return Estimate(1.0, (1.0, 1.0)) if between else Estimate(math.nan, None)
    ratio = (between / free[0]) / (within / free[1])
    tail = (1 - CONFIDENCE) / 2
    low, high = (ratio / float(fdtri(*free, quantile)) for quantile in (1 - tail, tail))
    share, *ends = (settled((f - 1) / (f - 1 + size)) for f in (ratio, low, high))
    return Estimate(share, (ends[0], ends[1]))
