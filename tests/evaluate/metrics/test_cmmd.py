"""CMMD against the sum written out, and against what it approximates."""

import math

import numpy as np
import pytest
import torch
from torch.nn import functional

from pqgan.evaluate.metrics import cmmd as module
from pqgan.evaluate.metrics.cmmd import cmmd


def unit_vectors(n, seed, offset=0.0, dimension=16):
    generator = torch.Generator().manual_seed(seed)
    return functional.normalize(torch.randn(n, dimension, generator=generator) + offset, dim=1)


def brute_force(x, y):
    """All pairs from differences of vectors; the published code's kernel and constants."""

    def kernel_mean(a, b):
        distances = np.square(a[:, None] - b[None]).sum(axis=2)
        return math.fsum(np.exp(-distances / (2 * 10.0**2)).ravel()) / distances.size

    x, y = x.double().numpy(), y.double().numpy()
    return 1000 * (kernel_mean(x, x) + kernel_mean(y, y) - 2 * kernel_mean(x, y))


@pytest.mark.parametrize("rows", [2048, 7, 1])
def test_agrees_with_all_pairs_in_blocks_too(rows, monkeypatch):
    monkeypatch.setattr(module, "BLOCK", rows)
    x, y = unit_vectors(23, 0), unit_vectors(17, 1, offset=0.7)
    assert cmmd(x, y) == pytest.approx(brute_force(x, y), abs=1e-12)
    assert cmmd(y, x) == pytest.approx(cmmd(x, y), abs=1e-12)


def test_agrees_with_all_pairs_at_clip_s_width():
    x, y = (unit_vectors(n, n, offset, 768) for n, offset in ((150, 0.0), (130, 0.1)))
    assert cmmd(x, y) == pytest.approx(brute_force(x, y), abs=1e-12)


@pytest.mark.parametrize("separation", [0.05, 0.2, 0.5])
def test_is_ten_times_the_squared_distance_of_means(separation):
    # the kernel's next term is half a hundredth of a squared distance, which is up to 2 here
    x, y = unit_vectors(2000, 2, 0.3), unit_vectors(2000, 3, 0.3 + separation)
    expected = 10 * float((x.double().mean(0) - y.double().mean(0)).square().sum())
    assert cmmd(x, y) == pytest.approx(expected, rel=0.02)
    assert cmmd(x, y) < expected


def test_equal_sets_are_at_zero_and_others_are_not(monkeypatch):
    monkeypatch.setattr(module, "BLOCK", 64)
    x = unit_vectors(500, 4)
    assert 0 <= cmmd(x, x) < 1e-11
    assert 0 <= cmmd(x, x.flip(0)) < 1e-11
    assert cmmd(x, unit_vectors(500, 5)) > 1e-3


def test_mapped_files_are_read_as_they_are(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "BLOCK", 10)
    x, y = unit_vectors(33, 6), unit_vectors(21, 7, 0.2)
    x.numpy().tofile(tmp_path / "x")
    mapped = torch.from_file(str(tmp_path / "x"), size=x.numel(), shared=False).view(33, 16)
    assert cmmd(mapped, y, device="cpu") == cmmd(x, y)


def test_sets_that_do_not_fit_or_are_empty_are_refused():
    with pytest.raises(ValueError, match=r"expected \(n, D\) and \(m, D\)"):
        cmmd(torch.zeros(3, 4), torch.zeros(3, 5))
    with pytest.raises(ValueError, match="at least one of each"):
        cmmd(torch.zeros(3, 4), torch.zeros(0, 4))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_computes_the_same_from_embeddings_elsewhere():
    x, y = unit_vectors(3000, 8), unit_vectors(2500, 9, 0.2)
    assert cmmd(x, y, device="cuda") == pytest.approx(cmmd(x, y), abs=1e-11)
