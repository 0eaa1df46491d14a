"""PSNR in both readings against scikit-image."""

import math

import numpy as np
import pytest
import torch
from skimage.metrics import peak_signal_noise_ratio

from pqgan.evaluate.psnr import PSNR


@pytest.fixture
def pairs():
    generator = torch.Generator().manual_seed(0)
    originals = torch.randint(0, 256, (5, 3, 8, 8), generator=generator, dtype=torch.uint8)
    strengths = torch.tensor([4, 8, 10, 30, 60]).view(5, 1, 1, 1)
    noise = (torch.rand(originals.shape, generator=generator) - 0.5) * strengths
    return originals, (originals + noise).round().clamp(0, 255).to(torch.uint8)


def test_both_readings(pairs):
    psnr = PSNR()
    for original, reconstruction in zip(*(images.split(2) for images in pairs), strict=True):
        psnr.update(original, reconstruction)
    originals, reconstructions = (images.numpy() for images in pairs)
    each = [peak_signal_noise_ratio(a, b, data_range=255) for a, b in zip(originals, reconstructions, strict=True)]
    assert psnr.mean() == pytest.approx(np.mean(each))
    assert psnr.pooled() == pytest.approx(peak_signal_noise_ratio(originals, reconstructions, data_range=255))
    assert psnr.mean() > psnr.pooled()
    assert psnr.exact == 0


def test_exact_images_are_counted_and_left_out_of_the_mean(pairs):
    originals, reconstructions = pairs
    psnr, without = PSNR(), PSNR()
    psnr.update(originals, torch.cat([originals[:1], reconstructions[1:]]))
    without.update(originals[1:], reconstructions[1:])
    assert psnr.exact == 1
    assert psnr.mean() == without.mean()
    assert math.isfinite(psnr.pooled())


def test_a_perfect_set_is_infinite(pairs):
    psnr = PSNR()
    psnr.update(pairs[0], pairs[0])
    assert psnr.mean() == psnr.pooled() == math.inf
    assert psnr.exact == 5
