"""k-means of sub-vectors, on tensors small enough to check by hand."""

import time

import pytest
import torch

from pqgan.errors import NumericalError
from pqgan.quantise.kmeans import kmeans
from pqgan.quantise.matching import nearest_codes


def clusters(K: int, c: int, each: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Centres (K, c) ten apart, and shuffled points (K each, c) within 0.1 of them."""
    generator = torch.Generator().manual_seed(0)
    centres = 10 * torch.cartesian_prod(*[torch.arange(8.0)] * c).reshape(-1, c)[:K]
    points = centres.repeat_interleave(each, dim=0)
    points = points + 0.1 * (2 * torch.rand(points.shape, generator=generator) - 1)
    return centres, points[torch.randperm(len(points), generator=generator)]


@pytest.mark.parametrize(("K", "c"), [(6, 1), (40, 2), (100, 4)])
def test_kmeans_puts_a_codeword_into_every_cluster(K, c):
    centres, points = clusters(K, c, 50)
    found = kmeans(points, K, passes=25, seed=3)
    assert (found.dtype, found.shape) == (torch.float32, (K, c))
    nearest = torch.cdist(centres, found).min(dim=1)
    assert nearest.values.max() < 0.1
    assert nearest.indices.unique().numel() == K


def test_kmeans_is_a_function_of_vectors_and_seed():
    points = torch.randn(500, 2, generator=torch.Generator().manual_seed(0))
    before = torch.get_rng_state()
    found = kmeans(points, 16, passes=5, seed=1 << 60)
    assert torch.equal(found, kmeans(points, 16, passes=5, seed=1 << 60))
    assert not torch.equal(found, kmeans(points, 16, passes=5, seed=2))
    assert torch.equal(torch.get_rng_state(), before)


def nearest(vectors: torch.Tensor, words: torch.Tensor) -> torch.Tensor:
    return nearest_codes(vectors[:, None], words[None])[:, 0]


def test_kmeans_of_the_largest_codebooks_is_right_and_takes_seconds():
    """K=16384 of 20,000 vectors: at the end each centre is the mean of the vectors that are nearest to it."""
    K, vectors = 16_384, torch.randn(20_000, 2, generator=torch.Generator().manual_seed(0))
    began = time.process_time()
    found = kmeans(vectors, K, passes=25, seed=0)
    assert time.process_time() - began < 40
    assert (found.dtype, found.shape) == (torch.float32, (K, 2))
    codes = nearest(vectors, found)
    counts = codes.bincount(minlength=K)
    assert (counts > 0).all()
    means = torch.zeros(K, 2, dtype=torch.float64).index_add_(0, codes, vectors.double()) / counts[:, None]
    torch.testing.assert_close(found.double(), means, rtol=1e-5, atol=1e-6)
    drawn = vectors[:K]
    errors = [(words[nearest(vectors, words)] - vectors).square().sum() for words in (found, drawn)]
    assert errors[0] < 0.6 * errors[1]


def test_kmeans_gets_better_pass_by_pass():
    """The error falls with the passes, equal vectors do no harm, the seed decides."""
    _, points = clusters(40, 2, 50)
    points = 1000 + torch.cat([points, points[:1].expand(2000, 2)])
    once, often = (kmeans(points, 40, passes=passes, seed=3) for passes in (1, 25))
    errors = [(words[nearest(points, words)] - points).square().sum() for words in (once, often)]
    assert errors[1] <= errors[0]
    assert ((often > 999) & (often < 1071)).all()
    assert torch.equal(often, kmeans(points, 40, passes=25, seed=3))
    assert not torch.equal(often, kmeans(points, 40, passes=25, seed=4))
    with pytest.raises(ValueError, match="got 39 vectors for K=40"):
        kmeans(points[:39], 40, passes=1, seed=3)


def test_kmeans_reaches_vectors_far_from_the_mean():
    """A thousandth of the vectors lies far away: drawn at random, no centre would be near most of these."""
    near = torch.randn(20_000, 2, generator=torch.Generator().manual_seed(0))
    far = 50 * torch.cartesian_prod(torch.arange(1.0, 6), torch.arange(1.0, 5))
    found = kmeans(torch.cat([near, far]), 64, passes=10, seed=0)
    assert torch.cdist(far, found).min(dim=1).values.max() < 1


def test_kmeans_refuses_what_is_not_finite_and_too_few_vectors():
    with pytest.raises(NumericalError, match="latents of training images are not finite"):
        kmeans(torch.tensor([[0.0], [float("inf")], [1.0]]), 2, passes=1, seed=0)
    with pytest.raises(ValueError, match="got 3 vectors for K=4; expected at least as many"):
        kmeans(torch.zeros(3, 1), 4, passes=1, seed=0)
