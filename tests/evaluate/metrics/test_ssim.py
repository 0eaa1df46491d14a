"""SSIM against scikit-image."""

import pytest
import torch
from skimage import data
from skimage.metrics import structural_similarity

from pqgan.evaluate.metrics.ssim import LEAST_SIDE, ssim


@pytest.fixture(scope="module")
def pairs():
    """Crops of a photograph with noise of several strengths; the last two are a flat patch and its own copy."""
    photograph = torch.from_numpy(data.astronaut()).permute(2, 0, 1)
    originals = torch.stack([photograph[:, y : y + 48, x : x + 40] for y, x in ((0, 180), (100, 200), (300, 100))])
    originals = torch.cat([originals, torch.full((2, 3, 48, 40), 251, dtype=torch.uint8)])
    noise = torch.randn(originals.shape, generator=torch.Generator().manual_seed(0))
    noise *= torch.tensor([2.0, 10.0, 60.0, 1.0, 0.0]).view(5, 1, 1, 1)
    return originals, (originals + noise).round().clamp(0, 255).to(torch.uint8)


def reference(original, reconstruction):
    return structural_similarity(
        original.numpy(),
        reconstruction.numpy(),
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
        data_range=255,
        channel_axis=0,
    )


@pytest.mark.parametrize("size", [(48, 40), (LEAST_SIDE, LEAST_SIDE), (LEAST_SIDE, 40)])
def test_each_image_is_scikit_image_s(pairs, size):
    pair = [images[:, :, : size[0], : size[1]] for images in pairs]
    found = ssim(*pair)
    assert found.dtype == torch.float64
    assert found.tolist() == pytest.approx([reference(*images) for images in zip(*pair, strict=True)], abs=1e-11)
    assert found[-1] == 1
    assert (found[:-1] < 1).all()


def test_each_image_is_measured_alone(pairs):
    whole = ssim(*pairs)
    assert torch.equal(whole, torch.cat([ssim(*batch) for batch in zip(*(i.split(2) for i in pairs), strict=True)]))


def test_images_that_are_too_small_or_not_8_bit_are_refused(pairs):
    small = pairs[0][:, :, : LEAST_SIDE - 1]
    with pytest.raises(ValueError, match="at least 11 px"):
        ssim(small, small)
    with pytest.raises(ValueError, match=r"expected torch\.uint8"):
        ssim(pairs[0].float(), pairs[1].float())
