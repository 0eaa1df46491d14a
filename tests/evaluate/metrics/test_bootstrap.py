"""Bootstrap intervals against scipy's, and how often they hold the truth."""

import math
import time

import numpy as np
import pytest
import scipy.stats
import torch

from pqgan.errors import NumericalError
from pqgan.evaluate.metrics import psnr
from pqgan.evaluate.metrics.bootstrap import interval


def skewed(n, seed=0):
    return torch.randn(n, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).exp()


@pytest.mark.parametrize(
    ("statistic", "numpy_s"),
    [
        (torch.mean, np.mean),
        # squared errors: a statistic that is no mean over images
        (psnr.pooled, lambda errors, axis: 10 * np.log10(255**2 / np.mean(errors, axis=axis))),
    ],
)
def test_agrees_with_scipy(statistic, numpy_s):
    values = skewed(200)
    resamples = 20_000
    found = interval(values, statistic, resamples=resamples)
    expected = scipy.stats.bootstrap(
        (values.numpy(),), numpy_s, n_resamples=resamples, method="percentile", rng=np.random.default_rng(0)
    ).confidence_interval
    width = expected.high - expected.low
    # both draw: an end's own standard error is about 1 % of the width here
    assert found == pytest.approx((expected.low, expected.high), abs=0.04 * width)
    assert found[0] < float(statistic(values)) < found[1]


def test_same_resamples_give_scipy_s_ends_to_rounding(monkeypatch):
    values = skewed(50)
    drawn = []
    draw = torch.randint

    def recorded(*args, **options):
        drawn.append(draw(*args, **options))
        return drawn[-1]

    monkeypatch.setattr(torch, "randint", recorded)
    found = interval(values, resamples=999)
    estimates = [values[indices].mean() for indices in drawn]
    assert len(estimates) == 999
    assert found == pytest.approx(np.percentile(estimates, [2.5, 97.5]), rel=1e-14)


def test_nominal_coverage_on_normal_values():
    generator = torch.Generator().manual_seed(3)
    intervals = [interval(torch.randn(60, generator=generator), seed=number) for number in range(200)]
    covered = sum(low < 0 < high for low, high in intervals)
    # 95 % of 200, less what the percentile method loses at 60 values (about 1 %), within four standard errors
    assert 175 <= covered <= 200
    assert np.mean([high - low for low, high in intervals]) == pytest.approx(2 * 1.96 / 60**0.5, rel=0.05)


def test_a_seed_repeats_and_leaves_the_global_generator_alone():
    values = skewed(30)
    before = torch.get_rng_state()
    assert interval(values) == interval(values) == interval(values, seed=0)
    assert interval(values, seed=1) != interval(values)
    assert torch.equal(torch.get_rng_state(), before)


def test_a_single_value_has_no_interval():
    assert interval(torch.tensor([1.0])) is None
    assert interval(torch.empty(0)) is None
    assert interval(torch.tensor([2.0, 2.0])) == (2.0, 2.0)


def test_exact_images_widen_the_interval_to_infinity_where_resamples_hold_nothing_else():
    errors = torch.tensor([0.0, 0.0, 0.0, 4.0])
    low, high = interval(errors, psnr.mean)
    assert low == pytest.approx(10 * math.log10(255**2 / 4))
    assert high == math.inf
    assert interval(torch.zeros(5), psnr.pooled) == (math.inf, math.inf)


def test_a_value_that_is_not_a_number_is_refused():
    with pytest.raises(NumericalError, match="not a number"):
        interval(torch.tensor([1.0, math.nan, 2.0]))
    with pytest.raises(ValueError, match=r"expected \(N,\)"):
        interval(torch.zeros(3, 2))


def test_fifty_thousand_images_take_seconds():
    values = skewed(50_000)
    start = time.process_time()
    low, high = interval(values)
    assert time.process_time() - start < 5
    assert high - low == pytest.approx(2 * 1.96 * float(values.std()) / 50_000**0.5, rel=0.1)
