"""CMMD against the sum written out, and against what it approximates."""

import math

import pytest
import torch
from torch.nn import functional

from pqgan.evaluate import cmmd as module
from pqgan.evaluate.cmmd import cmmd


def unit_vectors(n, seed, offset=0.0):
    generator = torch.Generator().manual_seed(seed)
    return functional.normalize(torch.randn(n, 16, generator=generator) + offset, dim=1)


def brute_force(x, y):
    def kernel(a, b):
        return math.exp(-sum((p - q) ** 2 for p, q in zip(a, b, strict=True)) / (2 * 10.0**2))

    def mean(left, right):
        return sum(kernel(a, b) for a in left for b in right) / (len(left) * len(right))

    x, y = x.double().tolist(), y.double().tolist()
    return 1000 * (mean(x, x) + mean(y, y) - 2 * mean(x, y))


@pytest.mark.parametrize("elements", [1 << 24, 40])
def test_agrees_with_the_sum_written_out_in_blocks_too(elements, monkeypatch):
    monkeypatch.setattr(module, "BLOCK_ELEMENTS", elements)
    x, y = unit_vectors(23, 0), unit_vectors(17, 1, offset=0.7)
    assert cmmd(x, y) == pytest.approx(brute_force(x, y), rel=1e-8)


def test_is_close_to_ten_times_the_squared_distance_of_means():
    x, y = unit_vectors(200, 2), unit_vectors(300, 3, offset=0.5)
    expected = 10 * float((x.double().mean(0) - y.double().mean(0)).square().sum())
    assert cmmd(x, y) == pytest.approx(expected, rel=0.02)


def test_equal_sets_are_at_zero_and_others_are_not():
    x = unit_vectors(50, 4)
    assert abs(cmmd(x, x.flip(0))) < 1e-10
    assert cmmd(x, unit_vectors(50, 5)) > 0
