"""Frechet distance between Gaussians fitted to two sets of features (Heusel et al. 2017)."""

import torch
from torch import Tensor


class Moments:
    """Mean and covariance of features, in float64, batch by batch.

    While there are no more vectors than dimensions they are kept: their covariance has no more rank than that. Beyond,
    batches are merged into the moments as they come (Chan et al. 1979) and no vector is kept.

    Args:
        dimension: D.

    Attributes:
        n: vectors seen.
    """

    def __init__(self, dimension: int):
        self.n = 0
        self.dimension = dimension
        self._rows: list[Tensor] = []
        self._mean = torch.zeros(dimension, dtype=torch.float64)
        self._scatter: Tensor | None = None  # (D, D) sum of outer products of centred vectors

    def update(self, features: Tensor) -> None:
        """Add features (B, D)."""
        if features.dim() != 2 or features.shape[1] != self.dimension:
            raise ValueError(f"Moments: got features {tuple(features.shape)}; expected (B, {self.dimension})")
        self._rows.append(features.double().cpu())
        self.n += len(features)
        if self.n > self.dimension:
            self._merge()

    def _merge(self) -> None:
        rows = torch.cat(self._rows)
        self._rows = []
        before = self.n - len(rows)
        mean = rows.mean(dim=0)
        centred = rows - mean
        shift = mean - self._mean
        self._mean = self._mean + shift * (len(rows) / self.n)
        if self._scatter is None:
            self._scatter = torch.zeros(self.dimension, self.dimension, dtype=torch.float64)
        self._scatter.addmm_(centred.T, centred)
        self._scatter.addr_(shift, shift, alpha=before * len(rows) / self.n)

    @property
    def mean(self) -> Tensor:
        """(D,)"""
        return self._mean if self._scatter is not None else torch.cat(self._rows).mean(dim=0)

    def factor(self) -> Tensor:
        """A (r, D), r <= D, with unbiased covariance A^T A."""
        if self.n < 2:
            raise ValueError(f"Moments: got {self.n} vectors; a covariance needs at least 2")
        if self._scatter is None:
            rows = torch.cat(self._rows)
            return (rows - rows.mean(dim=0)) / (self.n - 1) ** 0.5
        values, vectors = torch.linalg.eigh(self._scatter / (self.n - 1))
        return values.clamp(min=0).sqrt()[:, None] * vectors.T


def frechet_distance(first: Moments, second: Moments) -> float:
    """|m1 - m2|^2 + tr C1 + tr C2 - 2 tr (C1 C2)^(1/2), exactly.

    With C = A^T A the last trace is the nuclear norm of A1 A2^T, which is as small as the sets are: 48 images cost
    milliseconds, and no square root of a singular matrix is taken.
    """
    A1, A2 = first.factor(), second.factor()  # (r1, D), (r2, D)
    shift = (first.mean - second.mean).square().sum()
    cross = torch.linalg.svdvals(A1 @ A2.T).sum()
    # zero for equal sets up to rounding, which must not make a distance negative
    return max(0.0, float(shift + A1.square().sum() + A2.square().sum() - 2 * cross))


def sample_note(dimension: int, *counts: int) -> str:
    """What a reader has to know of the sample sizes: the covariances are singular below D + 1 vectors."""
    return f"; n <= {dimension}: rank-deficient covariance" if min(counts) <= dimension else ""
