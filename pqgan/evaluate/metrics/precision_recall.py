"""Improved precision and recall of two sets of features (Kynkäänniemi et al. 2019)."""

from collections.abc import Iterator

import torch
from torch import Tensor
from tqdm import tqdm

from pqgan.errors import DataError, NumericalError

K = 3
"""Neighbours behind a radius: the paper's, and that of the evaluators that followed it."""

BLOCK = 2048
"""Vectors of each set at a time: a block of distances is 32 MiB."""

SLACK = 1e-12
"""Of |x|^2 + |y|^2, by which a distance may exceed a radius: some ten times what the products round away."""


def protocol(k: int = K) -> str:
    """How it is computed, for tables."""
    return f"k = {k} nearest neighbours, Euclidean distances in float64, ties inside"


def precision_recall(
    real: Tensor,
    fake: Tensor,
    *,
    k: int = K,
    device: torch.device | str | None = None,
    real_radii: Tensor | None = None,
) -> tuple[float, float]:
    """Share of fake vectors among the real ones, and of real vectors among the fake ones.

    A vector is among a set if it lies in the ball around one of the set's vectors that reaches that one's k-th nearest
    neighbour in the set, itself not counted. Distances are those of the expanded square |x|^2 + |y|^2 - 2 x.y around
    the mean of the real vectors, in float64, of which a vector at the radius, up to SLACK, lies inside: what equals
    what is thus the same for every block size and device, and equal vectors are at distance 0.

    Args:
        real: (n, D) float32, n > k; may be memory-mapped.
        fake: (m, D), m > k.
        k: neighbours.
        device: to compute on, where only blocks go; that of `real` where None.
        real_radii: from `radii`, where several sets are compared with the same real one.

    Returns:
        Precision and recall, in [0, 1].

    Raises:
        DataError: no more vectors than neighbours.
        NumericalError: a feature is not finite.
    """
    _check(real, "the reference", k)
    _check(fake, "the generated set", k)
    if real.shape[1] != fake.shape[1]:
        raise ValueError(f"precision_recall: got {real.shape[1]} and {fake.shape[1]} features; expected as many")
    device = real.device if device is None else torch.device(device)
    centre = _mean(real, device)
    reach_real = radii(real, k, device) if real_radii is None else real_radii.to(device)  # (n,)
    reach_fake = radii(fake, k, device)  # (m,)
    precise = torch.zeros(len(fake), dtype=torch.bool, device=device)
    recalled = torch.zeros(len(real), dtype=torch.bool, device=device)
    for rows, columns in _progress(len(real), len(fake)):
        x, y = _block(real, rows, centre), _block(fake, columns, centre)
        least = _squared(x, y, 1 - SLACK)  # (rows, columns)
        precise[columns] |= (least <= reach_real[rows, None]).any(dim=0)
        recalled[rows] |= (least <= reach_fake[columns]).any(dim=1)
    return float(precise.double().mean()), float(recalled.double().mean())


def radii(features: Tensor, k: int = K, device: torch.device | str | None = None) -> Tensor:
    """Squared distance (n,) float64 of each vector (n, D) to its k-th nearest other vector; raises as above."""
    _check(features, "the set", k)
    device = features.device if device is None else torch.device(device)
    centre = _mean(features, device)
    nearest = torch.full((len(features), k), torch.inf, dtype=torch.float64, device=device)

    def lower(rows: slice, distances: Tensor) -> None:
        found = torch.cat([nearest[rows], distances], dim=1)
        nearest[rows] = found.topk(k, dim=1, largest=False).values  # in ascending order

    for rows, columns in _progress(len(features), None):
        x, y = _block(features, rows, centre), _block(features, columns, centre)
        distances = _squared(x, y).clamp_(min=0)
        if rows == columns:
            distances.fill_diagonal_(torch.inf)
        else:
            lower(columns, distances.T)
        lower(rows, distances)
    return nearest[:, -1].clone()


def _check(features: Tensor, name: str, k: int) -> None:
    if features.dim() != 2:
        raise ValueError(f"precision_recall: got {tuple(features.shape)} for {name}; expected (n, D)")
    if len(features) <= k:
        raise DataError(
            f"precision and recall: {name} has {len(features)} images; expected at least {k + 1}, "
            f"because each is measured by its {k} nearest others; take more"
        )


def _mean(features: Tensor, device: torch.device) -> Tensor:
    total = sum(block.to(device).double().sum(dim=0) for block in features.split(BLOCK))  # (D,)
    if not total.isfinite().all():
        raise NumericalError("precision and recall: a feature is not finite; the images or the network are damaged")
    return total / len(features)


def _blocks(n: int) -> list[slice]:
    return [slice(first, min(first + BLOCK, n)) for first in range(0, n, BLOCK)]


def _progress(n: int, m: int | None) -> Iterator[tuple[slice, slice]]:
    """Pairs of blocks of two sets; of one with itself, each pair once, where m is None."""
    rows = _blocks(n)
    columns = rows if m is None else _blocks(m)
    pairs = [(a, b) for a in rows for b in columns if m is not None or b.start >= a.start]
    yield from tqdm(pairs, desc="precision and recall", unit="block", leave=False, disable=None)


def _block(features: Tensor, rows: slice, centre: Tensor) -> Tensor:
    return features[rows].to(centre.device).double() - centre


def _squared(x: Tensor, y: Tensor, share: float = 1.0) -> Tensor:
    """Squared distances (n, m) of vectors (n, D) and (m, D), their squares counted with a share."""
    squares = x.square().sum(dim=1, keepdim=True) + y.square().sum(dim=1)  # (n, m)
    return torch.addmm(squares, x, y.T, beta=share, alpha=-2)
