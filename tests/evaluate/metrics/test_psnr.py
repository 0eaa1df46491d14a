"""PSNR in both readings against scikit-image."""

import math

import numpy as np
import pytest
import torch
from skimage.metrics import mean_squared_error, peak_signal_noise_ratio

from pqgan.evaluate.metrics import psnr


@pytest.fixture
def pairs():
    generator = torch.Generator().manual_seed(0)
    originals = torch.randint(0, 256, (5, 3, 8, 10), generator=generator, dtype=torch.uint8)
    strengths = torch.tensor([4, 8, 10, 30, 60]).view(5, 1, 1, 1)
    noise = (torch.rand(originals.shape, generator=generator) - 0.5) * strengths
    return originals, (originals + noise).round().clamp(0, 255).to(torch.uint8)


@pytest.fixture
def errors(pairs):
    """In two batches, as an evaluation has them."""
    return torch.cat(
        [psnr.squared_errors(*batch) for batch in zip(*(images.split(2) for images in pairs), strict=True)]
    )


def test_each_mean_and_pooled_are_scikit_image_s(pairs, errors):
    originals, reconstructions = (images.numpy() for images in pairs)
    each = [peak_signal_noise_ratio(a, b, data_range=255) for a, b in zip(originals, reconstructions, strict=True)]
    assert errors.dtype == torch.float64
    assert errors.tolist() == [mean_squared_error(a, b) for a, b in zip(originals, reconstructions, strict=True)]
    assert psnr.each(errors).tolist() == pytest.approx(each, rel=1e-14)
    assert psnr.mean(errors) == pytest.approx(np.mean(each), rel=1e-14)
    pooled = peak_signal_noise_ratio(originals, reconstructions, data_range=255)
    assert psnr.pooled(errors) == pytest.approx(pooled, rel=1e-14)
    assert psnr.mean(errors) > psnr.pooled(errors)
    assert psnr.exact(errors) == 0


def test_a_single_level_in_one_pixel_is_not_exact():
    originals = torch.full((1, 3, 32, 32), 255, dtype=torch.uint8)
    reconstructions = originals.clone()
    reconstructions[0, 1, 3, 4] = 254
    errors = psnr.squared_errors(originals, reconstructions)
    assert errors.tolist() == [1 / (3 * 32 * 32)]
    assert psnr.mean(errors) == pytest.approx(10 * math.log10(255**2 * 3 * 32 * 32), rel=1e-14)


def test_exact_images_are_counted_and_left_out_of_the_mean_but_not_of_the_pool(pairs, errors):
    originals, reconstructions = pairs
    mixed = psnr.squared_errors(originals, torch.cat([originals[:1], reconstructions[1:]]))
    assert psnr.exact(mixed) == 1
    assert psnr.each(mixed).isinf().tolist() == [True, False, False, False, False]
    assert psnr.mean(mixed) == psnr.mean(errors[1:])
    assert psnr.pooled(mixed) == pytest.approx(10 * math.log10(255**2 * 5 / float(errors[1:].sum())), rel=1e-14)


def test_a_perfect_set_is_infinite(pairs):
    errors = psnr.squared_errors(pairs[0], pairs[0])
    assert psnr.mean(errors) == psnr.pooled(errors) == math.inf
    assert psnr.exact(errors) == 5


def test_what_is_not_a_pair_of_8_bit_images_is_refused(pairs):
    with pytest.raises(ValueError, match=r"expected torch\.uint8"):
        psnr.squared_errors(pairs[0].float(), pairs[1])
    with pytest.raises(ValueError, match="twice"):
        psnr.squared_errors(pairs[0], pairs[1][:1])
    for reading in (psnr.mean, psnr.pooled):
        with pytest.raises(ValueError, match="at least one image"):
            reading(torch.empty(0))
