"""Batches of images keep their places, by every backend and for every width of a sub-vector."""

import pytest
import torch

from pqgan.quantise.matching import BACKENDS, available


@pytest.mark.parametrize("c", [1, 3, 12])
@pytest.mark.parametrize("backend", ["torch", "compiled"])
def test_codes_of_images_are_those_of_their_own_sub_vectors(backend, c):
    if backend not in available("cpu"):
        pytest.skip(f"no {backend} backend here")
    draw = torch.Generator().manual_seed(c)
    z, codebooks = torch.randn(3, 4, c, 5, generator=draw), torch.randn(4, 20, c, generator=draw)
    found = BACKENDS[backend](z, codebooks)
    assert found.shape == (3, 4, 5)
    for image in range(3):
        for subspace in range(4):
            distances = torch.cdist(z[image, subspace].T.double(), codebooks[subspace].double())  # (5, 20)
            assert torch.equal(found[image, subspace], distances.argmin(1))
