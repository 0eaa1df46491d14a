"""Photographs for feature networks."""

import pytest
import torch


@pytest.fixture(scope="module")
def images_uint8():
    """Four squares of 64 px of a photograph (4, 3, 64, 64)."""
    from skimage import data

    photograph = torch.from_numpy(data.astronaut()).permute(2, 0, 1)
    corners = ((0, 180), (100, 200), (300, 100), (420, 30))
    return torch.stack([photograph[:, y : y + 64, x : x + 64] for y, x in corners])


@pytest.fixture(scope="module")
def images(images_uint8):
    return images_uint8.float() / 127.5 - 1
