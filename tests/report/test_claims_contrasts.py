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
    combined,
    comparable,
    estimate,
    pooled_noise,
    printed,
    slope,
    together,
)


def draw(rng: np.random.Generator, means: dict[str, float], counts: dict[str, int], deviation: float) -> dict:
    return {name: list(rng.normal(means[name], deviation, counts[name])) for name in means}


def test_interval_of_a_slope_is_that_of_least_squares_on_the_trainings():
    rng = np.random.default_rng(1)
    numbers = {"a": 4, "b": 16, "c": 64, "d": 256}
    samples = draw(
        rng, {name: 2 + math.log2(number) / 3 for name, number in numbers.items()}, dict.fromkeys("abcd", 3), 0.4
    )
    x = np.repeat([math.log2(number) for number in numbers.values()], 3)
    y = np.concatenate(list(samples.values()))
    (steepness, _), *_ = np.linalg.lstsq(np.stack([x, np.ones_like(x)], axis=1), y, rcond=None)
    within = sum(((np.array(values) - np.mean(values)) ** 2).sum() for values in samples.values())
    error = math.sqrt(within / 8) / math.sqrt(((x - x.mean()) ** 2).sum())
    half = stats.t.ppf(0.975, 8) * error
    found = estimate(slope(numbers), samples, pooled_noise(samples.values()))
    assert found.value == pytest.approx(steepness)
    assert found.interval == pytest.approx((steepness - half, steepness + half))


def test_interval_of_any_contrast_is_that_of_the_cell_means_model():
    rng = np.random.default_rng(2)
    counts = {"a": 1, "b": 4, "c": 2, "elsewhere": 3}
    samples = draw(rng, {"a": 1.0, "b": 3.0, "c": -2.0, "elsewhere": 9.0}, counts, 0.7)
    coefficients = combined((1, {"a": 1.0, "b": -1.0}), (-0.5, {"b": 1.0, "c": -1.0}))
    design = np.repeat(np.eye(4), list(counts.values()), axis=0)
    y = np.concatenate(list(samples.values()))
    means, *_ = np.linalg.lstsq(design, y, rcond=None)
    freedom = len(y) - 4
    variance = ((y - design @ means) ** 2).sum() / freedom
    c = np.array([coefficients.get(name, 0.0) for name in counts])
    error = math.sqrt(variance * c @ np.linalg.inv(design.T @ design) @ c)
    low, high = stats.t.interval(0.95, freedom, c @ means, error)
    found = estimate(coefficients, samples, pooled_noise(samples.values()))
    assert found.value == pytest.approx(c @ means)
    assert found.interval == pytest.approx((low, high))


def test_intervals_cover_the_truth_as_often_as_they_say():
    rng = np.random.default_rng(3)
    numbers = {"a": 4, "b": 16, "c": 64}
    coefficients = slope(numbers)
    means = {"a": 20.0, "b": 20.3, "c": 19.0, "other": 5.0}
    truth = sum(coefficients[name] * means[name] for name in numbers)
    covered = 0
    for _ in range(2000):
        samples = draw(rng, means, {"a": 3, "b": 1, "c": 2, "other": 2}, 0.3)
        low, high = estimate(coefficients, samples, pooled_noise(samples.values())).interval
        covered += low <= truth <= high
    assert 0.93 < covered / 2000 < 0.97


def test_slope_is_per_doubling_and_exact_on_a_line():
    numbers = {"f8-d4": 4, "f8-d16": 16, "f8-d256": 256}
    samples = {name: [1.5 * math.log2(number) - 7] for name, number in numbers.items()}
    assert estimate(slope(numbers), samples, None) == Estimate(pytest.approx(1.5), None)
    assert sum(slope(numbers).values()) == pytest.approx(0)


def test_noise_is_pooled_over_what_is_repeated_and_finite():
    noise = pooled_noise([[1.0, 3.0], [5.0], [0.0, 0.0, 3.0], [math.nan, 1.0], [math.inf, 2.0]])
    assert noise.freedom == 3
    assert noise.deviation == pytest.approx(math.sqrt((2 + 6) / 3))
    assert pooled_noise([[1.0], [2.0]]) is None


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
