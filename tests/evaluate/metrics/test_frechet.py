"""The Frechet distance against the textbook formula with scipy's matrix square root."""

import numpy as np
import pytest
import scipy.linalg
import torch

from pqgan.evaluate.metrics.frechet import Moments, frechet_distance, sample_note

DIMENSION = 20


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


def test_agrees_with_the_functions_of_clean_fid_and_torchmetrics():
    from cleanfid.fid import frechet_distance as clean_fid
    from torchmetrics.image.fid import _compute_fid as torchmetrics

    x, y = correlated(400, 20, seed=6), correlated(300, 20, seed=7, offset=0.5)
    found = frechet_distance(moments(x), moments(y))
    (m1, c1), (m2, c2) = ((z.mean(dim=0), z.T.cov()) for z in (x.double(), y.double()))
    assert found == pytest.approx(float(torchmetrics(m1, c1, m2, c2)), rel=1e-12)
    assert found == pytest.approx(clean_fid(m1.numpy(), c1.numpy(), m2.numpy(), c2.numpy()), rel=1e-12)


def test_a_covariance_of_many_vectors_that_is_singular_all_the_same():
    # 400 vectors in 100 of 256 dimensions
    x, y = correlated(400, 256, seed=8).double(), correlated(500, 256, seed=9).double()
    x[:, 100:] = 1.0
    A1, A2 = ((z - z.mean(dim=0)) / (len(z) - 1) ** 0.5 for z in (x, y))
    squares = (x.mean(dim=0) - y.mean(dim=0)).square().sum() + A1.square().sum() + A2.square().sum()
    expected = float(squares - 2 * torch.linalg.svdvals(A1 @ A2.T).sum())
    assert frechet_distance(moments(x), moments(y)) == pytest.approx(expected, rel=1e-7)


@pytest.mark.parametrize("n", [8, 20, 21, 200])
@pytest.mark.parametrize("batch", [1, 6, 1000])
def test_kept_and_merged_vectors_have_the_same_mean_and_covariance(n, batch):
    x = correlated(n, DIMENSION, seed=4, offset=100.0)
    found = moments(x, batch)
    factor = found.factor()
    assert factor.shape == (min(n, DIMENSION), DIMENSION)
    np.testing.assert_allclose(factor.T @ factor, np.cov(x.double().numpy(), rowvar=False), rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(found.mean, x.double().mean(0), rtol=1e-12)
    assert sum(map(len, found._rows)) <= DIMENSION


def test_a_small_spread_far_from_zero_keeps_its_digits():
    # sums of squares would lose all of them: 1e6 squared is 1e12, the variance 1e-6
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(500, 3, generator=generator, dtype=torch.float64) * 1e-3 + 1e6
    factor = moments(x).factor()
    np.testing.assert_allclose(factor.T @ factor, np.cov(x.numpy(), rowvar=False), atol=1e-12)


@pytest.mark.parametrize("n", [10, 500])
def test_equal_sets_are_at_zero(n):
    x = correlated(n, 64, seed=5)
    total = float(x.double().var(dim=0).sum())
    assert 0 <= frechet_distance(moments(x), moments(x)) <= 1e-13 * total
    assert 0 <= frechet_distance(moments(x), moments(x.flip(0), batch=9)) <= 1e-11 * total


def test_what_was_seen_in_inference_mode_may_be_read_and_added_to_outside():
    x = correlated(90, DIMENSION, seed=14)
    with torch.inference_mode():
        first, second = moments(x[:50]), moments(x[50:80])
        first.merge(second)
    for rows in (x[80:85], x[85:]):
        first.update(rows)
    torch.testing.assert_close(first.mean, moments(x).mean, rtol=1e-12, atol=1e-12)
    assert frechet_distance(first, moments(x)) < 1e-9 * float(x.double().var(dim=0).sum())


def test_gaussians_in_closed_form():
    # one dimension: (m1 - m2)^2 + (s1 - s2)^2
    x, y = torch.tensor([[1.0], [3.0]]), torch.tensor([[4.0], [4.0], [10.0]])
    s1, s2 = 2**0.5, 12**0.5
    assert frechet_distance(moments(x), moments(y)) == pytest.approx((2 - 6) ** 2 + (s1 - s2) ** 2)


@pytest.mark.parametrize("sizes", [(3, 4), (15, 15), (200, 5), (5, 200), (70, 90), (0, 9), (9, 0), (0, 0), (0, 90)])
def test_merging_is_seeing_both(sizes):
    x = correlated(sum(sizes), DIMENSION, seed=10, offset=3.0)
    first, second = (moments(part) for part in x.split(list(sizes)))
    kept = second.tensors()
    first.merge(second)
    both = moments(x).tensors()
    assert first.tensors().keys() == both.keys()
    for name, tensor in first.tensors().items():
        torch.testing.assert_close(tensor, both[name], rtol=1e-12, atol=1e-9)
    for name, tensor in second.tensors().items():
        assert torch.equal(tensor, kept[name])
    before = second.n
    first.update(x.new_zeros(60, DIMENSION))
    assert second.n == before


@pytest.mark.parametrize("n", [0, 1, 20, 21, 63])
def test_tensors_in_a_file_bring_everything_back_to_the_bit(n, tmp_path):
    from safetensors.torch import load_file, save_file

    found = moments(correlated(n, DIMENSION, seed=11))
    save_file(found.tensors(), tmp_path / "moments.safetensors")
    back = Moments.from_tensors(load_file(tmp_path / "moments.safetensors"))
    assert (back.n, back.dimension) == (n, DIMENSION)
    for one in (found, back):
        one.update(correlated(30, DIMENSION, seed=12))
    assert torch.equal(back.mean, found.mean)
    assert torch.equal(back.factor(), found.factor())
    assert frechet_distance(back, found) == frechet_distance(found, back)


def test_float32_features_are_summed_in_float64_and_not_kept_by_reference():
    features = correlated(5, DIMENSION, seed=13).double()
    found = Moments(DIMENSION)
    found.update(features)
    expected = features.mean(dim=0)
    features.zero_()
    assert found.mean.dtype == torch.float64
    assert torch.equal(found.mean, expected)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_s_moments_agree_and_are_compared_with_others_elsewhere():
    x, y = correlated(400, 20, seed=0), correlated(300, 20, seed=1, offset=0.5)
    there = Moments(20, "cuda")
    there.update(x.cuda())
    assert there.mean.is_cuda
    for pair in ((there, moments(y)), (moments(y), there)):
        assert frechet_distance(*pair) == pytest.approx(frechet_distance(moments(x), moments(y)), rel=1e-9)


def test_bad_input_is_refused():
    with pytest.raises(ValueError, match=r"expected \(B, 3\)"):
        Moments(3).update(torch.zeros(2, 4))
    with pytest.raises(ValueError, match="dimension 4; expected 3"):
        Moments(3).merge(Moments(4))
    single = Moments(3)
    single.update(torch.zeros(1, 3))
    with pytest.raises(ValueError, match="at least 2"):
        frechet_distance(single, single)


def test_note_says_when_the_covariance_is_singular():
    assert "rank-deficient" in sample_note(2048, 50_000, 48)
    assert "rank-deficient" in sample_note(2048, 2048)
    assert sample_note(2048, 50_000, 2049) == ""
