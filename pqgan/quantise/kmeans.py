"""K-means of sub-vectors: where codebooks start, or all that makes them."""

import torch
from torch import Tensor

from pqgan.errors import NumericalError

from .matching import nearest_codes

SPREAD, A_CENTRE = 20_000, 4
"""Vectors that the first centres are spread over, at most: so many, or so many a centre if that is more."""


@torch.no_grad()
def kmeans(vectors: Tensor, K: int, *, passes: int, seed: int) -> Tensor:
    """Centres (K, c) of the sub-vectors (N, c) of one subspace, on the CPU, as float32.

    Lloyd's passes over all vectors, with the exact search on the vectors' device, from the centres that k-means++
    (Arthur and Vassilvitskii, 2007) draws: without it few codewords reach the rare vectors far from the mean, whose
    errors are the largest.

    Args:
        vectors: at least K.
        passes: over the vectors, at most; fewer where nothing moves any more.
        seed: of the result, which depends on nothing else.

    Raises:
        NumericalError: a vector is not finite.
        ValueError: fewer than K vectors.
    """
    if len(vectors) < K:
        raise ValueError(f"kmeans: got {len(vectors)} vectors for K={K}; expected at least as many")
    if not vectors.isfinite().all():
        raise NumericalError("k-means: latents of training images are not finite; check the weights of the encoder")
    vectors = vectors.float()
    here = vectors.cpu()
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.randperm(len(here), generator=generator)[: max(SPREAD, A_CENTRE * K)]
    centres, before = _spread(here[drawn], K, generator), None
    for _ in range(passes):
        codes = nearest_codes(vectors[:, None], centres.to(vectors.device)[None])[:, 0].cpu()  # (N,)
        if before is not None and torch.equal(codes, before):
            break
        before, counts = codes, codes.bincount(minlength=K)[:, None]
        # on the CPU, where sums run in one order; a centre of no vector stays
        sums = torch.zeros_like(centres).index_add_(0, codes, here)
        centres = torch.where(counts > 0, sums / counts.clamp(min=1), centres)
    return centres


def _spread(vectors: Tensor, K: int, generator: torch.Generator) -> Tensor:
    """K of the vectors (n, c), each drawn by its squared distance to the nearest of those before."""
    draws = torch.rand(K, generator=generator, dtype=torch.float64)
    chosen = torch.empty(K, dtype=torch.int64)
    chosen[0] = int(draws[0] * len(vectors))
    nearest = torch.full((len(vectors),), float("inf"))
    for number in range(1, K):
        distances = (vectors - vectors[chosen[number - 1]]).square().sum(1)
        nearest = torch.minimum(nearest, distances)
        total = nearest.cumsum(0, dtype=torch.float64)
        place = torch.searchsorted(total, draws[number] * total[-1], right=True)
        chosen[number] = place.clamp(max=len(vectors) - 1)
    return vectors[chosen]
