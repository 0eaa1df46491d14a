"""The Frechet distance against the textbook formula with scipy's matrix square root."""

import numpy as np
import pytest
import scipy.linalg
import torch

from pqgan.evaluate.frechet import Moments, frechet_distance, sample_note


def reference(x, y):
    """The formula as pytorch-fid computes it."""
    x, y = x.double().numpy(), y.double().numpy()
    c1, c2 = np.cov(x, rowvar=False), np.cov(y, rowvar=False)
    root = scipy.linalg.sqrtm(c1 @ c2).real
    return ((x.mean(0) - y.mean(0)) ** 2).sum() + np.trace(c1) + np.trace(c2) - 2 * np.trace(root)


def moments(x, batch=7):
    result = Moments(x.shape[1])
    for part in x.split(batch):
        result.update(part)
    return result


def correlated(n, dimension, seed, offset=0.0):
    generator = torch.Generator().manual_seed(seed)
    mixing = torch.randn(dimension, dimension, generator=generator)
    return torch.randn(n, dimension, generator=generator) @ mixing + offset


@pytest.mark.parametrize(("n", "m"), [(400, 300), (400, 21), (20, 400)])
def test_agrees_with_scipy(n, m):
    x, y = correlated(n, 20, seed=0), correlated(m, 20, seed=1, offset=0.5)
    assert frechet_distance(moments(x), moments(y)) == pytest.approx(reference(x, y), rel=1e-6)


def test_fewer_vectors_than_dimensions():
    # the covariances have rank 7 and 11 of 40; the square root of their product is taken by its eigenvalues
    x, y = correlated(8, 40, seed=2).double(), correlated(12, 40, seed=3, offset=0.3).double()
    c1, c2 = np.cov(x.numpy(), rowvar=False), np.cov(y.numpy(), rowvar=False)
    trace = np.sqrt(np.linalg.eigvals(c1 @ c2).real.clip(0)).sum()
    expected = float((x.mean(0) - y.mean(0)).square().sum()) + np.trace(c1) + np.trace(c2) - 2 * trace
    assert frechet_distance(moments(x), moments(y)) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("n", [8, 200])
def test_kept_rows_and_merged_moments_are_the_same_covariance(n):
    x = correlated(n, 20, seed=4, offset=100.0)
    found = moments(x, batch=6)
    factor = found.factor()
    assert factor.shape == (min(n, 20), 20)
    np.testing.assert_allclose(factor.T @ factor, np.cov(x.double().numpy(), rowvar=False), rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(found.mean, x.double().mean(0), rtol=1e-12)


@pytest.mark.parametrize("n", [10, 500])
def test_equal_sets_are_at_zero(n):
    x = correlated(n, 64, seed=5)
    distance = frechet_distance(moments(x), moments(x.flip(0), batch=9))
    assert 0 <= distance < 1e-9 * float(x.double().var(dim=0).sum())


def test_gaussians_in_closed_form():
    # one dimension: (m1 - m2)^2 + (s1 - s2)^2
    x, y = torch.tensor([[1.0], [3.0]]), torch.tensor([[4.0], [4.0], [10.0]])
    s1, s2 = 2**0.5, 12**0.5
    assert frechet_distance(moments(x), moments(y)) == pytest.approx((2 - 6) ** 2 + (s1 - s2) ** 2)


def test_bad_input_is_refused():
    with pytest.raises(ValueError, match=r"expected \(B, 3\)"):
        Moments(3).update(torch.zeros(2, 4))
    single = Moments(3)
    single.update(torch.zeros(1, 3))
    with pytest.raises(ValueError, match="at least 2"):
        frechet_distance(single, single)


def test_note_says_when_the_covariance_is_singular():
    assert "rank-deficient" in sample_note(2048, 50_000, 48)
    assert sample_note(2048, 50_000, 5_000) == ""
