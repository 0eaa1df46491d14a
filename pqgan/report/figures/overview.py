"""One large image at the left and rows of smaller ones beside it (Figure 4)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure

from .grid import MARGIN, framed, show
from .strips import ABOVE, BELOW, WORDS, below, heading, words_height
from .style import DOUBLE, wrapped

GAP, SPACE = 0.06, 0.16
"""Between images of a row, and between the large image and the rows, inches."""
_LINES = 3


@dataclass(frozen=True)
class Row:
    """Images (H, W, 3) of one size below a heading, each above its words."""

    heading: str
    images: Sequence[np.ndarray]
    words: Sequence[str]

    @property
    def pixels(self) -> int:
        """Width of all images, without gaps."""
        return sum(image.shape[1] for image in self.images)


def draw(rows: Sequence[Row], title: str, footer: str) -> tuple[Figure, bool]:
    """The first row at the left, all others below each other beside it; a single row alone.

    Returns:
        The figure, and whether all images are drawn in proportion to their pixels: the first row gets no more than half
        of the width.
    """
    width = DOUBLE - 2 * MARGIN
    large, *others = rows
    if not others:
        scale = (width - (len(large.images) - 1) * GAP) / large.pixels
        scales, lefts = [scale], [0.0]
    else:
        gaps = SPACE + (max(len(row.images) for row in others) - 1) * GAP
        beside = max(row.pixels for row in others)
        small = (width - gaps) / (large.pixels + beside)
        big = min(small, width / 2 / large.pixels)
        if big < small:
            small = (width - gaps - big * large.pixels) / beside
        scales = [big] + [small] * len(others)
        lefts = [0.0] + [big * large.pixels + SPACE] * len(others)
    words = [
        [
            wrapped(text, scale * image.shape[1], WORDS, _LINES)
            for text, image in zip(row.words, row.images, strict=True)
        ]
        for row, scale in zip(rows, scales, strict=True)
    ]
    heights = [
        ABOVE + scale * row.images[0].shape[0] + words_height(texts) + BELOW
        for row, scale, texts in zip(rows, scales, words, strict=True)
    ]
    figure, place = framed(DOUBLE, max(heights[0], sum(heights[1:])), title, footer)
    above = 0.0
    for number, (row, scale, left, texts) in enumerate(zip(rows, scales, lefts, words, strict=True)):
        for image, text in zip(row.images, texts, strict=True):
            high, wide = scale * image.shape[0], scale * image.shape[1]
            axes = place(left, above + ABOVE, wide, high)
            show(axes, image)
            below(axes, text, 0.5, high)
            if image is row.images[0]:
                heading(axes, row.heading, high)
            left += wide + GAP
        above += heights[number] if number else 0
    return figure, scales[0] == scales[-1]
