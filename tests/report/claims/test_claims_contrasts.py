"""Contrasts of means: intervals beside an independent computation, their coverage, and what they are called."""

import math

import numpy as np
import pytest
from scipy import stats

from pqgan.report.claims.contrasts import (
    FAILS,
    HOLDS,
    OPEN,
    Estimate,
    Fit,
    combined,
    comparable,
    printed,
    slope,
    together,
)

SEEDS = (0, 1, 2, 3)


def draw(rng: np.random.Generator, means: dict[str, float], counts: dict[str, int], deviation: float) -> dict:
    """Values at the first so many seeds, each of which moves all configurations by what is its own."""
    moved = dict(zip(SEEDS, rng.normal(0, 2, len(SEEDS)), strict=True))
    return {
        name: {seed: mean + moved[seed] + rng.normal(0, deviation) for seed in SEEDS[: counts[name]]}
        for name, mean in means.items()
    }


def test_interval_of_a_slope_is_that_of_least_squares_on_whole_blocks():
    """With every seed everywhere, blocks are gone once each value is taken less the mean of its seed."""
    rng = np.random.default_rng(1)
    numbers = {"a": 4, "b": 16, "c": 64, "d": 256}
    means = {name: 2 + math.log2(number) / 3 for name, number in numbers.items()}
    samples = draw(rng, means, dict.fromkeys("abcd", 3), 0.4)
    y = np.array([list(runs.values()) for runs in samples.values()])  # (configuration, seed)
    x = np.log2(list(numbers.values()))
    c = (x - x.mean()) / ((x - x.mean()) ** 2).sum()
    residuals = y - y.mean(0) - y.mean(1, keepdims=True) + y.mean()
    freedom = (4 - 1) * (3 - 1)
    half = stats.t.ppf(0.975, freedom) * math.sqrt((residuals**2).sum() / freedom * (c**2).sum() / 3)
    found = Fit(samples).estimate(slope(numbers))
    assert found.value == pytest.approx(c @ y.mean(1))
    assert found.interval == pytest.approx((found.value - half, found.value + half))


def test_interval_of_any_contrast_is_that_of_the_two_way_layout():
    rng = np.random.default_rng(2)
    counts = {"a": 1, "b": 4, "c": 2, "elsewhere": 3}
    samples = draw(rng, {"a": 1.0, "b": 3.0, "c": -2.0, "elsewhere": 9.0}, counts, 0.7)
    coefficients = combined((1, {"a": 1.0, "b": -1.0}), (-0.5, {"b": 1.0, "c": -1.0}))
    configurations = np.repeat(np.eye(4), list(counts.values()), axis=0)
    seeds = np.concatenate([np.eye(4)[:count, 1:] for count in counts.values()])
    design = np.concatenate([configurations, seeds], axis=1)
    y = np.concatenate([list(runs.values()) for runs in samples.values()])
    effects, *_ = np.linalg.lstsq(design, y, rcond=None)
    freedom = len(y) - 7
    variance = ((y - design @ effects) ** 2).sum() / freedom
    c = np.array([*(coefficients.get(name, 0.0) for name in counts), 0, 0, 0])
    error = math.sqrt(variance * c @ np.linalg.inv(design.T @ design) @ c)
    low, high = stats.t.interval(0.95, freedom, c @ effects, error)
    fit = Fit(samples)
    assert fit.freedom == freedom
    found = fit.estimate(coefficients)
    assert found.value == pytest.approx(c @ effects)
    assert found.interval == pytest.approx((low, high))


def test_intervals_cover_the_truth_as_often_as_they_say():
    rng = np.random.default_rng(3)
    numbers = {"a": 4, "b": 16, "c": 64}
    coefficients = slope(numbers)
    means = {"a": 20.0, "b": 20.3, "c": 19.0, "other": 5.0}
    truth = sum(coefficients[name] * means[name] for name in numbers)
    covered = 0
    for _ in range(2000):
        samples = draw(rng, means, {"a": 3, "b": 1, "c": 2, "other": 3}, 0.3)
        low, high = Fit(samples).estimate(coefficients).interval
        covered += low <= truth <= high
    assert 0.93 < covered / 2000 < 0.97


def test_what_all_trainings_of_a_seed_share_is_no_noise_and_no_difference():
    samples = {"a": {0: 1.0, 1: 0.4}, "b": {0: 2.0, 1: 1.4}, "c": {0: 3.0}}
    fit = Fit(samples)
    assert fit.means == pytest.approx({"a": 1.0, "b": 2.0, "c": 3.0})
    assert fit.freedom == 1
    assert fit.deviation == pytest.approx(0, abs=1e-12)


def test_slope_is_per_doubling_and_exact_on_a_line():
    numbers = {"f8-d4": 4, "f8-d16": 16, "f8-d256": 256}
    samples = {name: {0: 1.5 * math.log2(number) - 7} for name, number in numbers.items()}
    assert Fit(samples).estimate(slope(numbers)) == Estimate(pytest.approx(1.5), None)
    assert sum(slope(numbers).values()) == pytest.approx(0)


def test_what_is_not_finite_takes_no_part():
    whole = {"a": {0: 1.0, 1: 3.0}, "b": {0: 5.0}, "c": {0: 0.0, 1: 1.0}}
    fit = Fit({**whole, "broken": {0: math.nan, 1: 1.0}, "endless": {0: math.inf}})
    assert (fit.freedom, fit.deviation) == (Fit(whole).freedom, pytest.approx(Fit(whole).deviation))
    assert math.isnan(fit.means["broken"])
    assert math.isnan(fit.means["endless"])
    assert fit.estimate({"a": 1.0, "broken": -1.0}).verdict == OPEN


@pytest.mark.parametrize("samples", [{}, {"a": {0: 1.0}, "b": {0: 2.0}}, {"a": {0: 1.0, 1: 2.0}, "b": {0: 2.0}}])
def test_one_replicate_tells_its_seed_and_no_noise(samples):
    fit = Fit(samples)
    assert fit.freedom == 0
    assert math.isnan(fit.deviation)


@pytest.mark.parametrize(
    ("value", "interval", "verdict"),
    [
        (2.0, (0.1, 3.9), HOLDS),
        (-2.0, (-3.9, -0.1), FAILS),
        (2.0, (-0.1, 4.1), OPEN),
        (2.0, (0.0, 4.0), OPEN),
        (2e-16, (1e-16, 3e-16), OPEN),  # equal values, by floating point
        (2.0, None, OPEN),
        (math.nan, (1.0, 2.0), OPEN),
        (math.inf, (math.inf, math.inf), OPEN),
        (1.0, (math.nan, 2.0), OPEN),
    ],
)
def test_verdict_of_a_contrast(value, interval, verdict):
    assert Estimate(value, interval).verdict == verdict


@pytest.mark.parametrize(
    ("verdicts", "verdict"),
    [
        ([HOLDS, HOLDS], HOLDS),
        ([HOLDS, OPEN], OPEN),
        ([HOLDS, FAILS, OPEN], FAILS),
        ([OPEN, OPEN], OPEN),
        ([], OPEN),
    ],
)
def test_verdict_of_a_claim(verdicts, verdict):
    assert together(verdicts) == verdict


def test_ratios_are_compared_as_logarithms_and_smaller_is_better():
    assert comparable("rfid", 2.0) - comparable("rfid", 4.0) == pytest.approx(math.log(2))
    assert comparable("psnr", 30.0) - comparable("psnr", 28.0) == 2
    for metric in ("rfid", "lpips", "cmmd", "psnr", "H_n"):
        assert printed(metric, comparable(metric, 0.37)) == pytest.approx(0.37)
    for value in (0.0, -1.0, math.inf, math.nan):
        assert math.isnan(comparable("cmmd", value))
