"""The enlarged part of a picture is the part that is framed."""

import numpy as np
import pytest

from pqgan.report.figures.grid import image_grid
from pqgan.report.figures.showcase import _show, detailed_window
from pqgan.report.figures.style import style


@pytest.mark.parametrize(("left", "top"), [(3, 40), (40, 3), (45, 41), (2, 5)])
def test_an_inset_shows_the_framed_pixels_in_the_opposite_corner(left, top):
    image = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    with style():
        _, axes = image_grid(1, 1, width=3.0, title="", footer="")
        _show(axes[0, 0], image, (left, top, 16))
    frame, inset = axes[0, 0].patches[0], axes[0, 0].child_axes[0]
    assert (frame.get_x(), frame.get_y(), frame.get_width(), frame.get_height()) == (left - 0.5, top - 0.5, 16, 16)
    assert np.array_equal(inset.images[0].get_array(), image[top : top + 16, left : left + 16])
    box, outer = inset.get_position(), axes[0, 0].get_position()
    assert (box.x0 > outer.x0 + outer.width / 2) == (left + 8 < 32)
    # rows count from above, axes from below
    assert (box.y0 < outer.y0 + outer.height / 4) == (top + 8 < 32)


def test_the_window_is_left_then_top():
    image = np.full((64, 96, 3), 128, np.uint8)
    image[10:26, 70:86] = 255 * (np.indices((16, 16)).sum(axis=0) % 2)[..., None]
    left, top, side = detailed_window(image, 16)
    assert side == 16
    assert abs(left - 70) <= 2
    assert abs(top - 10) <= 2
