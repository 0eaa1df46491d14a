"""Figures that are grids of images: every axes placed to the point, nothing between them but what was asked for."""

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image

from .style import DPI, MUTED, wrapped

MARGIN = 0.06
TITLE, SMALL = 9.5, 6.0
_LINE = 1.3 / 72
"""Height of a line of text, inches a point of its size."""


def image_grid(
    rows: int,
    columns: int,
    *,
    width: float,
    title: str,
    footer: str,
    aspect: float = 1.0,
    left: float = 0.0,
    head: float = 0.0,
    above: float = 0.0,
    below: float = 0.0,
    gap: float = 0.06,
) -> tuple[Figure, np.ndarray]:
    """A figure and its axes (rows, columns), without frames.

    Args:
        rows, columns: of images.
        width: of the figure, inches; all other lengths too.
        title: above all.
        footer: small print below all.
        aspect: height over width of an image.
        left: space left of the images.
        head: space above the first row.
        above, below: space above and below every row.
        gap: between images.
    """
    cell = (width - 2 * MARGIN - left - gap * (columns - 1)) / columns
    title, footer = wrapped(title, width, TITLE), wrapped(footer, width, SMALL)
    top = MARGIN + (title.count("\n") + 1) * TITLE * _LINE + 0.08
    bottom = MARGIN + (footer.count("\n") + 1) * SMALL * _LINE + 0.08
    step = above + cell * aspect + below + gap
    height = top + head + rows * step - gap + bottom
    figure = Figure(figsize=(width, height), layout="none")
    figure.text(0.5, 1 - MARGIN / height, title, ha="center", va="top", fontsize=TITLE, fontweight="bold")
    figure.text(MARGIN / width, MARGIN / height, footer, va="bottom", fontsize=SMALL, color=MUTED)
    axes = np.empty((rows, columns), dtype=object)
    for row in range(rows):
        for column in range(columns):
            x = MARGIN + left + column * (cell + gap)
            y = height - top - head - row * step - above - cell * aspect
            place = figure.add_axes((x / width, y / height, cell / width, cell * aspect / height))
            place.set_axis_off()
            axes[row, column] = place
    return figure, axes


def load(path: Path) -> np.ndarray:
    """(H, W, 3) uint8."""
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


def show(axes: Axes, image: np.ndarray) -> None:
    """An image (H, W, 3): its own pixels where it is enlarged, averaged ones where it is reduced."""
    wide = axes.get_position().width * axes.figure.get_figwidth() * DPI
    axes.imshow(image, interpolation="nearest" if image.shape[1] <= wide else "antialiased", aspect="auto")


def mosaic(images: list[np.ndarray], columns: int) -> np.ndarray:
    """Images of one size as one white-framed (H, W, 3) picture, row by row."""
    height, width = images[0].shape[:2]
    gap = max(1, width // 16)
    rows = -(-len(images) // columns)
    whole = np.full((rows * (height + gap) - gap, columns * (width + gap) - gap, 3), 255, np.uint8)
    for number, image in enumerate(images):
        top, left = number // columns * (height + gap), number % columns * (width + gap)
        whole[top : top + height, left : left + width] = image
    return whole
