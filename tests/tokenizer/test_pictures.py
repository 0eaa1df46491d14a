"""Images of any sizes, in batches of one size."""

import numpy as np
import pytest

from pqgan.tokenizer.pictures import Picture, batches, padded, windows


def test_a_batch_is_a_megapixel_or_what_is_asked_for():
    shapes = [(512, 512)] * 5 + [(1024, 2048)] * 2
    assert list(batches(shapes, None)) == [[0, 1, 2, 3], [4], [5], [6]]
    assert list(batches(shapes, 6)) == [[0, 1, 2, 3, 4], [5, 6]]
    assert list(batches([(8, 8), (8, 16), (8, 8)], None)) == [[0, 2], [1]]


def test_no_batch_holds_more_pixels_than_an_image_may_have():
    assert list(batches([(2**13, 2**14)] * 5, 10**9)) == [[0, 1], [2, 3], [4]]
    assert list(batches([(2**15, 2**14)] * 2, 10**9)) == [[0], [1]]
    many = [Picture(str(i), np.broadcast_to(np.uint8(0), (2**13, 2**13, 3))) for i in range(9)]
    assert [len(window) for window in windows(many, 10**9)] == [4, 4, 1]


def test_a_window_ends_at_16_megapixels_or_a_batch():
    many = [Picture(str(i), np.broadcast_to(np.uint8(0), (2048, 4096, 3))) for i in range(5)]
    for batch, sizes in ((None, [2, 2, 1]), (4, [4, 1])):
        found = list(windows(many, batch))
        assert [len(window) for window in found] == sizes
        assert [image.name for window in found for image in window] == list("01234")


@pytest.mark.parametrize(("height", "width"), [(1, 1), (2, 3), (16, 16), (17, 9), (15, 1)])
def test_what_is_added_mirrors_what_is_there(height, width):
    pixels = np.arange(height * width * 3, dtype=np.uint8).reshape(height, width, 3)
    whole = padded(pixels, 16)
    assert whole.shape == (-(-height // 16) * 16, -(-width // 16) * 16, 3)
    assert np.array_equal(whole[:height, :width], pixels)
    if width < whole.shape[1] and width > 1:
        assert np.array_equal(whole[:height, width], pixels[:, width - 2])
    if height == 1:
        assert (whole[:, :width] == pixels).all()
