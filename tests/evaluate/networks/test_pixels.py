"""8-bit images."""

import numpy as np
import pytest
import torch
from PIL import Image

from pqgan.errors import NumericalError
from pqgan.evaluate.networks.pixels import save_png, to_float, to_uint8


@pytest.fixture
def levels():
    return torch.arange(256, dtype=torch.uint8).view(1, 1, 16, 16).expand(1, 3, 16, 16)


@pytest.mark.parametrize("rounding", ["nearest", "floor"])
def test_eight_bit_images_come_back_as_they_were(levels, rounding):
    assert torch.equal(to_uint8(to_float(levels), rounding), levels)


def test_rounding_and_range():
    between = torch.tensor([10.4, 10.6, -3.0, 300.0]).view(1, 1, 1, 4) / 127.5 - 1
    assert to_uint8(between).flatten().tolist() == [10, 11, 0, 255]
    assert to_uint8(between, "floor").flatten().tolist() == [10, 10, 0, 255]


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_values_that_are_not_finite_are_refused(value):
    with pytest.raises(NumericalError, match="not finite"):
        to_uint8(torch.tensor([0.0, value]).view(1, 1, 1, 2))


def test_png_holds_the_pixels(levels, tmp_path):
    save_png(levels[0], tmp_path / "deep/0.png")
    assert np.array_equal(np.asarray(Image.open(tmp_path / "deep/0.png")), levels[0].permute(1, 2, 0).numpy())
