"""Strips of images: what belongs together side by side at one height, a few words below; as large as a page allows."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from .grid import LINE, MARGIN, framed, show
from .style import DOUBLE, wrapped

PAGE = 8.3
"""Height that the strips of a figure take at most where they can be made smaller, inches."""
TALLEST, LEAST = 1.6, 0.8
"""Height of an image, inches."""
NARROW = 4.6
"""Width of a figure at least, inches: its title and small print need it."""
HEAD, WORDS = 8.0, 6.5
"""Sizes of the text above a group and below a strip, points."""
ABOVE = HEAD * LINE + 0.05
"""Height of a heading, inches."""
INSIDE, BETWEEN, BELOW = 0.03, 0.14, 0.08
"""Inches between the images of a strip, between strips, and below the words of a row."""
_LINES = 4
_FILLED = 1.4
"""How much wider a row might be than the page before another strip goes into it."""


@dataclass(frozen=True)
class Strip:
    """Images (H, W, 3) and what is said of them."""

    images: Sequence[np.ndarray]
    words: str

    @property
    def aspect(self) -> float:
        """Width over height of all of them, side by side at one height."""
        return sum(image.shape[1] / image.shape[0] for image in self.images)


@dataclass(frozen=True)
class Group:
    """Strips of the same sizes below a heading."""

    heading: str
    strips: Sequence[Strip]


@dataclass(frozen=True)
class _Rows:
    """A group as it is drawn: so many strips a row, images of one height, inches."""

    group: Group
    columns: int
    image: float

    @property
    def strip(self) -> float:
        """Width of a strip, inches."""
        one = self.group.strips[0]
        return one.aspect * self.image + (len(one.images) - 1) * INSIDE

    @property
    def width(self) -> float:
        return self.columns * (self.strip + BETWEEN) - BETWEEN

    @property
    def words(self) -> list[str]:
        return [wrapped(strip.words, self.strip, WORDS, _LINES) for strip in self.group.strips]

    @property
    def step(self) -> float:
        """From one row to the next, inches."""
        return self.image + words_height(self.words) + BELOW

    @property
    def height(self) -> float:
        """With the heading, inches."""
        return ABOVE + ceil(len(self.group.strips) / self.columns) * self.step


def draw(groups: Sequence[Group], title: str, footer: str) -> Figure:
    """Groups below each other, each in rows of strips that are as tall as the page allows."""
    arranged = _arranged(groups)
    width = max(NARROW, max(rows.width for rows in arranged) + 2 * MARGIN)
    figure, place = framed(width, sum(rows.height for rows in arranged), title, footer)
    above = 0.0
    for rows in arranged:
        top = above + ABOVE
        for number, (strip, words) in enumerate(zip(rows.group.strips, rows.words, strict=True)):
            left = number % rows.columns * (rows.strip + BETWEEN)
            down = top + number // rows.columns * rows.step
            for place_in_strip, image in enumerate(strip.images):
                wide = rows.image * image.shape[1] / image.shape[0]
                axes = place(left, down, wide, rows.image)
                show(axes, image)
                left += wide + INSIDE
                if place_in_strip == 0:
                    below(axes, words, rows.strip / 2 / wide, rows.image)
                    if number == 0:
                        heading(axes, rows.group.heading, rows.image)
        above += rows.height
    return figure


def _arranged(groups: Sequence[Group]) -> list[_Rows]:
    for tenths in range(round(10 * TALLEST), round(10 * LEAST) - 1, -1):
        arranged = [_rows(group, tenths / 10) for group in groups]
        if sum(rows.height for rows in arranged) <= PAGE:
            break
    return arranged


def _rows(group: Group, tallest: float) -> _Rows:
    """As few strips a row as fill it, the same number in each row as far as that goes."""
    count, one = len(group.strips), group.strips[0]
    for rows in range(count, 0, -1):
        columns = ceil(count / rows)
        free = DOUBLE - 2 * MARGIN - (columns - 1) * BETWEEN - columns * (len(one.images) - 1) * INSIDE
        full = free / (columns * one.aspect)
        if full <= _FILLED * tallest:
            break
    return _Rows(group, columns, min(full, tallest))


def words_height(words: Sequence[str]) -> float:
    """Of the longest of some texts below an image, inches."""
    return 0.04 + (max(text.count("\n") for text in words) + 1) * WORDS * LINE


def below(axes: Axes, words: str, x: float, high: float) -> None:
    """Words below an image, which is so many inches high, centred at x widths of it."""
    axes.text(x, -0.04 / high, words, transform=axes.transAxes, ha="center", va="top", fontsize=WORDS)


def heading(axes: Axes, words: str, high: float) -> None:
    """Words above an image, which is so many inches high, from its left edge on."""
    axes.text(0, 1 + 0.05 / high, words, transform=axes.transAxes, ha="left", va="bottom", fontsize=HEAD)
