"""Which images of a folder a set takes: the first, each so-manieth, so many."""

import pytest

from pqgan.data.sources import open_images
from pqgan.settings.data import ImageFolder


@pytest.mark.parametrize(
    ("part", "expected"),
    [
        ({}, "abcdefg"),
        ({"first": 2}, "cdefg"),
        ({"count": 3}, "abc"),
        ({"first": 1, "count": 2}, "bc"),
        ({"every": 3}, "adg"),
        ({"first": 1, "every": 2, "count": 2}, "bd"),
    ],
)
def test_a_set_takes_the_part_that_it_is_told(data_root, noise, part, expected):
    for name in "abcdefg":
        noise(data_root / f"set/{name}.png", 8, 8)
    images = open_images(ImageFolder(source="folder", path="set", size=8, **part), geometry="crop", seed=0)
    assert [images.row(index).source for index in range(len(images))] == [f"{name}.png" for name in expected]
