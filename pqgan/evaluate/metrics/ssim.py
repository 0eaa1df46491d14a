"""Structural similarity of 8-bit images (Wang et al. 2004)."""

import torch
from torch import Tensor

LEAST_SIDE = 11
"""Pixels; the window's, which has to fit into the image."""

SIGMA = 1.5

PROTOCOL = "SSIM, Gaussian window 11 px, sigma 1.5, mean over RGB channels and images, 8-bit images"


def ssim(originals: Tensor, reconstructions: Tensor) -> Tensor:
    """SSIM (B,) float64 of every image: mean over positions where the whole window is inside, then over channels.

    What skimage.metrics.structural_similarity gives with gaussian_weights=True, sigma=1.5,
    use_sample_covariance=False and data_range=255, as Wang et al. define it; computed by pytorch-msssim in float64.

    Args:
        originals, reconstructions: 8-bit images (B, C, H, W), H and W at least LEAST_SIDE.
    """
    from pytorch_msssim import ssim as of_images

    if originals.dtype != torch.uint8 or reconstructions.dtype != torch.uint8:
        raise ValueError(f"ssim: got images of {originals.dtype} and {reconstructions.dtype}; expected torch.uint8")
    if originals.dim() != 4 or originals.shape != reconstructions.shape or min(originals.shape[2:]) < LEAST_SIDE:
        raise ValueError(
            f"ssim: got images {tuple(originals.shape)} and {tuple(reconstructions.shape)}; "
            f"expected (B, C, H, W) twice, with sides of at least {LEAST_SIDE} px"
        )
    window = _window(originals.device).expand(originals.shape[1], 1, 1, -1)  # (C, 1, 1, 11)
    # a CPU convolves float64 eight times as fast image by image
    at_once = 1 if originals.device.type == "cpu" else max(1, len(originals))
    # and three times as fast with colours apart, which a network in channels-last layout hands over together
    levels = (
        images.to(torch.float64, memory_format=torch.contiguous_format) for images in (originals, reconstructions)
    )
    pairs = zip(*(images.split(at_once) for images in levels), strict=True)
    return torch.cat([of_images(x, y, data_range=255, size_average=False, win=window) for x, y in pairs])


def _window(device: torch.device) -> Tensor:
    """(1, 1, 1, 11) Gaussian; the library's own is rounded to float32."""
    offsets = torch.arange(LEAST_SIDE, dtype=torch.float64, device=device) - LEAST_SIDE // 2
    window = (-offsets.square() / (2 * SIGMA**2)).exp()
    return (window / window.sum()).view(1, 1, 1, -1)
