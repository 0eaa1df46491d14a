"""Frechet distance between Gaussians fitted to two sets of features (Heusel et al. 2017)."""

from typing import Self

import torch
from torch import Tensor

from pqgan.engine import processes


class Moments:
    """Mean and covariance of features, in float64, batch by batch.

    While there are no more vectors than dimensions they are kept: their covariance has no more rank than that. Beyond,
    they are merged into the moments (Chan et al. 1979), as many at a time as there are dimensions.

    Args:
        dimension: D.
        device: that the moments are kept and computed on.

    Attributes:
        n: vectors seen.
    """

    def __init__(self, dimension: int, device: torch.device | str = "cpu"):
        self.n = 0
        self.dimension = dimension
        self.device = torch.device(device)
        self._rows: list[Tensor] = []  # of the vectors that are not yet merged
        self._mean: Tensor | None = None  # (D) of those that are
        self._scatter: Tensor | None = None  # (D, D) sum of their centred outer products

    def update(self, features: Tensor) -> None:
        """Add features (B, D) of any floating type."""
        if features.dim() != 2 or features.shape[1] != self.dimension:
            raise ValueError(f"Moments: got features {tuple(features.shape)}; expected (B, {self.dimension})")
        self._rows.append(features.to(self.device, torch.float64, copy=True))
        self.n += len(features)
        if self._pending > self.dimension:
            self._settle()

    @property
    def _pending(self) -> int:
        return sum(map(len, self._rows))

    def _settle(self) -> None:
        """Merge the vectors that are kept."""
        rows, self._rows = self._kept(), []
        if len(rows):
            mean = rows.mean(dim=0)
            rows -= mean
            self._add(self.n - len(rows), len(rows), mean, rows.T @ rows)

    def _kept(self) -> Tensor:
        """(p, D), a copy."""
        return torch.cat([self._empty(), *self._rows])

    def _empty(self) -> Tensor:
        return torch.empty(0, self.dimension, dtype=torch.float64, device=self.device)

    def _add(self, before: int, n: int, mean: Tensor, scatter: Tensor) -> None:
        """Merge moments of n vectors into those of as many as were merged before."""
        if self._scatter is None:
            self._mean, self._scatter = mean, scatter
            return
        shift = mean - self._mean
        # not in place: what was made in inference mode could not be changed outside of it
        self._mean = self._mean + shift * (n / (before + n))
        self._scatter = self._scatter + scatter.addr_(shift, shift, alpha=before * n / (before + n))

    def merge(self, other: "Moments") -> None:
        """Add all that another has seen, which stays as it is; exact up to float64 rounding."""
        if other.dimension != self.dimension:
            raise ValueError(f"Moments: got moments of dimension {other.dimension}; expected {self.dimension}")
        if other._scatter is not None:
            seen = other.n - other._pending
            mean, scatter = (tensor.to(self.device, copy=True) for tensor in (other._mean, other._scatter))
            self._add(self.n - self._pending, seen, mean, scatter)
            self.n += seen
        for rows in list(other._rows):
            self.update(rows)

    def over_processes(self) -> "Moments":
        """Of what all processes of the default group have seen, merged in rank order, on each; all have to ask.

        Alone, a copy. A process may have seen nothing.
        """
        whole = Moments(self.dimension, self.device)
        for tensors in processes.in_turn(self.tensors(), self.device):
            whole.merge(Moments.from_tensors(tensors))
        return whole

    def tensors(self) -> dict[str, Tensor]:
        """Everything, for a file: n; rows (n, D), or none of them but mean (D) and scatter (D, D) once n exceeds D."""
        if self._scatter is None:
            return {"n": torch.tensor(self.n), "rows": self._kept()}
        self._settle()
        return {
            "n": torch.tensor(self.n),
            "rows": self._empty(),
            "mean": self._mean.clone(),
            "scatter": self._scatter.clone(),
        }

    @classmethod
    def from_tensors(cls, tensors: dict[str, Tensor]) -> Self:
        """What `tensors` gave, to the bit, on the device of its rows.

        Raises:
            ValueError: a part is missing, or is not what `tensors` gives.
        """
        rows, n = tensors.get("rows"), tensors.get("n")
        if rows is None or rows.dim() != 2 or n is None or n.dtype != torch.int64 or n.dim():
            raise ValueError("Moments: no n and rows (n, D)")
        moments = cls(rows.shape[1], rows.device)
        moments.n = int(n)
        D = moments.dimension
        settled = {"mean": (D,), "scatter": (D, D)} if moments.n > D else {}
        found = {part: tuple(tensor.shape) for part, tensor in tensors.items() if part not in ("n", "rows")}
        if found != settled or len(rows) != (0 if settled else moments.n):
            raise ValueError(f"Moments: {len(rows)} rows and {found}; expected those of n={moments.n}, D={D}")
        moments._rows = [rows.clone()] if len(rows) else []
        if moments.n > moments.dimension:
            moments._mean, moments._scatter = tensors["mean"].clone(), tensors["scatter"].clone()
        return moments

    @property
    def mean(self) -> Tensor:
        """(D,)"""
        if self._scatter is None:
            return self._kept().mean(dim=0)
        self._settle()
        return self._mean

    def factor(self) -> Tensor:
        """A (r, D), r <= D, with unbiased covariance A^T A."""
        if self.n < 2:
            raise ValueError(f"Moments: got {self.n} vectors; a covariance needs at least 2")
        if self._scatter is None:
            rows = self._kept()
            return (rows - rows.mean(dim=0)) / (self.n - 1) ** 0.5
        self._settle()
        values, vectors = torch.linalg.eigh(self._scatter / (self.n - 1))
        return values.clamp(min=0).sqrt()[:, None] * vectors.T


def frechet_distance(first: Moments, second: Moments) -> float:
    """|m1 - m2|^2 + tr C1 + tr C2 - 2 tr (C1 C2)^(1/2), exactly.

    With C = A^T A the last trace is the nuclear norm of A1 A2^T, which is as small as the sets are: 48 images cost
    milliseconds, and no square root of a singular matrix is taken. Computed on the first's device.
    """
    A1, A2 = first.factor(), second.factor().to(first.device)  # (r1, D), (r2, D)
    shift = (first.mean - second.mean.to(first.device)).square().sum()
    cross = torch.linalg.svdvals(A1 @ A2.T).sum()
    # zero for equal sets up to rounding, which must not make a distance negative
    return max(0.0, float(shift + A1.square().sum() + A2.square().sum() - 2 * cross))


def sample_note(dimension: int, *counts: int) -> str:
    """What a reader has to know of the sample sizes: the covariances are singular below D + 1 vectors."""
    return f"; n <= {dimension}: rank-deficient covariance" if min(counts) <= dimension else ""
