"""The share of the variance between groups, beside Shrout and Fleiss's own example and by simulation."""

import math

import numpy as np
import pytest
from scipy import stats

from pqgan.report.claims.variance import between_groups

SHROUT_FLEISS = [[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]]
"""Table 2 of their paper: six targets, four judges; ICC(1,1) is 0.17, its interval from -0.13 to 0.72."""


def test_the_example_of_the_source():
    found = between_groups(SHROUT_FLEISS)
    assert found.value == pytest.approx(0.166, abs=5e-4)
    assert found.interval == pytest.approx((-0.133, 0.723), abs=5e-4)


def test_groups_of_several_sizes_go_by_the_f_test_of_scipy():
    groups = [[0.1, 0.3, 0.2], [0.5, 0.7], [0.9, 0.4, 0.8, 0.6, 0.7]]
    ratio = stats.f_oneway(*groups).statistic
    size = (10 - (9 + 4 + 25) / 10) / 2
    expected = [
        (f - 1) / (f - 1 + size) for f in (ratio, ratio / stats.f.ppf(0.975, 2, 7), ratio / stats.f.ppf(0.025, 2, 7))
    ]
    found = between_groups(groups)
    assert [found.value, *found.interval] == pytest.approx(expected)


def test_intervals_cover_the_truth_as_often_as_they_say():
    rng = np.random.default_rng(0)
    share, covered = 0.6, 0
    for _ in range(2000):
        levels = rng.normal(0, math.sqrt(share), 5)
        low, high = between_groups([rng.normal(level, math.sqrt(1 - share), 4) for level in levels]).interval
        covered += low <= share <= high
    assert 0.935 < covered / 2000 < 0.965


def test_equal_groups_share_nothing_and_groups_of_equals_share_all():
    assert between_groups([[1.0, 1.0], [2.0, 2.0]]).interval == (1.0, 1.0)
    for groups in ([[1.0, 1.0], [1.0, 1.0]], [[1.0, math.nan], [2.0, 2.0]]):
        found = between_groups(groups)
        assert math.isnan(found.value)
        assert found.interval is None
