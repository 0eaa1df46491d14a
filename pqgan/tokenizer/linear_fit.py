"""Principal components of a training set's patches: the weights of a `LinearPath`, found without a gradient.

Moments are sums of whole numbers, exact in float64 in any order, so that they are the same on any number of processes.
The directions are dealt out over the subspaces as in the parametric form of optimised product quantisation (Ge et al.,
2013). Nothing of this is in the paper.
"""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from .linear_path import LinearPath

LEVEL = 128
"""Subtracted from levels of 0 to 255 before they are multiplied: any whole number does."""
ROWS = 8192
"""Patches multiplied at a time."""


def patches(image: np.ndarray, F: int) -> np.ndarray:
    """Patches (n, 3 F^2) of the grid from the top left, in a convolution's order, of an image (H, W, 3) uint8."""
    h, w = image.shape[0] // F, image.shape[1] // F
    cut = image[: h * F, : w * F].reshape(h, F, w, F, 3)
    return cut.transpose(0, 2, 4, 1, 3).reshape(h * w, 3 * F * F)


def patches_at(image: np.ndarray, F: int, n: int, rng: np.random.Generator) -> np.ndarray:
    """n patches (n, 3 F^2) uint8 at places drawn from all of an image (H, W, 3) uint8."""
    tops = rng.integers(0, image.shape[0] - F + 1, n)
    lefts = rng.integers(0, image.shape[1] - F + 1, n)
    cut = np.stack([image[top : top + F, left : left + F] for top, left in zip(tops, lefts, strict=True)])
    return cut.transpose(0, 3, 1, 2).reshape(n, 3 * F * F)


class Moments:
    """Sums over patches, of levels less LEVEL.

    Attributes:
        n: patches.
        first: (3 F^2,) float64, sum of the patches.
        second: (3 F^2, 3 F^2) float64, sum of their outer products.
    """

    def __init__(self, F: int):
        self.F = F
        self.n = 0
        self.first = torch.zeros(3 * F * F, dtype=torch.float64)
        self.second = torch.zeros(3 * F * F, 3 * F * F, dtype=torch.float64)

    def add(self, images: Iterable[np.ndarray]) -> None:
        """Count images (H, W, 3) uint8 in."""
        waiting: list[Tensor] = []
        for image in images:
            waiting.append(torch.from_numpy(patches(image, self.F)).double().sub_(LEVEL))  # (n, 3 F^2)
            if sum(map(len, waiting)) >= ROWS:
                self._multiply(torch.cat(waiting))
                waiting = []
        if waiting:
            self._multiply(torch.cat(waiting))

    def _multiply(self, rows: Tensor) -> None:
        self.n += len(rows)
        self.first += rows.sum(0)
        self.second += rows.T @ rows


class Components(NamedTuple):
    """Principal components of patches in [-1, 1]."""

    mean: Tensor
    """(3,) float64, of each colour channel."""
    directions: Tensor
    """(d, 3 F^2) float64, orthonormal, of falling variance; zero beyond 3 F^2."""
    variances: Tensor
    """(d,) float64, about the mean."""


def components(moments: Moments, d: int) -> Components:
    """The d directions of most variance about the mean colour, which is what a `LinearPath` subtracts.

    Raises:
        ValueError: no patches.
    """
    if not moments.n:
        raise ValueError("components: got no patches; expected one or more")
    size = len(moments.first)
    mean = moments.first / moments.n  # (3 F^2,)
    colour = mean.view(3, -1).mean(1)
    centre = colour.repeat_interleave(size // 3)
    outer = torch.outer(mean, centre)
    covariance = moments.second / moments.n - outer - outer.T + torch.outer(centre, centre)
    variances, vectors = np.linalg.eigh(covariance.numpy())  # rising
    kept = min(d, size)
    found = torch.from_numpy(vectors[:, ::-1][:, :kept].T.copy())  # (kept, 3 F^2)
    # either sign is right; the largest entry is positive
    largest = found.gather(1, found.abs().argmax(1, keepdim=True))
    directions = torch.zeros(d, size, dtype=torch.float64)
    directions[:kept] = found * largest.sign()
    falling = torch.zeros(d, dtype=torch.float64)
    falling[:kept] = torch.from_numpy(variances[::-1][:kept].copy()).clamp(min=0)
    # levels are 127.5 to a unit
    return Components((colour + LEVEL) / 127.5 - 1, directions, falling / 127.5**2)


def deal_out(variances: Tensor, S: int) -> Tensor:
    """Which direction each latent channel carries, so that the products of variances of all subspaces are even.

    Args:
        variances: (d,), falling.
        S: subspaces; divides d.

    Returns:
        (d,) int64: directions, those of the first subspace first.
    """
    d = len(variances)
    smallest = variances[variances > 0].min() if (variances > 0).any() else torch.tensor(1.0)
    logs = (variances.clamp(min=smallest) / smallest).log().tolist()  # none below 0
    dealt: list[list[int]] = [[] for _ in range(S)]
    products = [0.0] * S
    for direction, log in enumerate(logs):
        open_ = [s for s in range(S) if len(dealt[s]) < d // S]
        least = min(open_, key=lambda s: (products[s], s))
        dealt[least].append(direction)
        products[least] += log
    return torch.tensor(dealt).flatten()


@torch.no_grad()
def set_path(path: LinearPath, found: Components, order: Tensor) -> None:
    """Make a path project onto components, and back.

    Latents are scaled by one number, so that the mean of their variances is 1.

    Args:
        path: of the components' F and d.
        order: (d,) of `deal_out`.
    """
    d, size = found.directions.shape
    F = path.to_latents.kernel_size[0]
    scale = found.variances.mean().rsqrt() if found.variances.any() else torch.tensor(1.0)
    directions = found.directions[order]  # (d, 3 F^2)
    centre = found.mean.repeat_interleave(size // 3)
    path.to_latents.weight.copy_((scale * directions).view(d, 3, F, F))
    path.to_latents.bias.copy_(-scale * directions @ centre)
    path.to_patches.weight.copy_((directions / scale).view(d, 3, F, F))
    path.to_patches.bias.copy_(found.mean)
