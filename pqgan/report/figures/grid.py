"""Figures that are grids of images: every axes placed to the point, nothing between them but what was asked for."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image

from pqgan.errors import DataError
from pqgan.storage.json_files import regular

from .style import DPI, MUTED, wrapped

PICTURE = "a picture that pqgan wrote; delete its folder and make it again"
MARGIN = 0.06
TITLE, SMALL = 9.5, 6.0
LINE = 1.3 / 72
"""Height of a line of text, in inches per point of its font size."""
Place = Callable[[float, float, float, float], Axes]
"""(left, above, wide, high) -> axes: inches right of and below the upper left corner of the space, and its size."""


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
    above: float | Sequence[float] = 0.0,
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
        above: space above every row, or above each.
        below: space below every row.
        gap: between images.
    """
    cell = (width - 2 * MARGIN - left - gap * (columns - 1)) / columns
    above = list(above) if isinstance(above, Sequence) else [above] * rows
    step = cell * aspect + below + gap
    figure, place = framed(width, head + sum(above) + rows * step - gap, title, footer)
    axes = np.empty((rows, columns), dtype=object)
    for row in range(rows):
        top = head + sum(above[: row + 1]) + row * step
        for column in range(columns):
            axes[row, column] = place(left + column * (cell + gap), top, cell, cell * aspect)
    return figure, axes


def framed(width: float, height: float, title: str, footer: str) -> tuple[Figure, Place]:
    """A figure with a title above and small print below, and what puts axes without frames between them.

    Args:
        width: of the figure, inches; MARGIN of it on either side stays free.
        height: of what stands between title and footer, inches.
    """
    title, footer = wrapped(title, width, TITLE), wrapped(footer, width, SMALL)
    top = MARGIN + (title.count("\n") + 1) * TITLE * LINE + 0.08
    whole = top + height + MARGIN + (footer.count("\n") + 1) * SMALL * LINE + 0.08
    figure = Figure(figsize=(width, whole), layout="none")
    figure.text(0.5, 1 - MARGIN / whole, title, ha="center", va="top", fontsize=TITLE, fontweight="bold")
    figure.text(MARGIN / width, MARGIN / whole, footer, va="bottom", fontsize=SMALL, color=MUTED)

    def place(left: float, above: float, wide: float, high: float) -> Axes:
        x, y = MARGIN + left, whole - top - above - high
        axes = figure.add_axes((x / width, y / whole, wide / width, high / whole))
        axes.set_axis_off()
        return axes

    return figure, place


def load(path: Path) -> np.ndarray:
    """(H, W, 3) uint8.

    Raises:
        DataError: no picture.
    """
    regular(path, PICTURE)
    try:
        with Image.open(path, formats=("PNG",)) as image:
            return np.asarray(image.convert("RGB"))
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):  # Pillow's, of damaged files
        raise DataError(f"{path}: damaged, or no PNG; expected {PICTURE}") from None


def show(axes: Axes, image: np.ndarray) -> None:
    """An image (H, W, 3): its own pixels where it is enlarged, averaged ones where it is reduced."""
    wide = axes.get_position().width * axes.figure.get_figwidth() * DPI
    axes.imshow(image, interpolation="nearest" if image.shape[1] <= wide else "antialiased", aspect="auto")


def mosaic(images: list[np.ndarray], columns: int) -> np.ndarray:
    """Images of one size as one white-framed (H, W, 3) picture, row by row.

    Raises:
        DataError: they have several sizes.
    """
    height, width = images[0].shape[:2]
    if any(image.shape != images[0].shape for image in images):
        raise DataError("samples of one model have several sizes; delete its folder and sample again")
    gap = max(1, width // 16)
    rows = -(-len(images) // columns)
    whole = np.full((rows * (height + gap) - gap, columns * (width + gap) - gap, 3), 255, np.uint8)
    for number, image in enumerate(images):
        top, left = number // columns * (height + gap), number % columns * (width + gap)
        whole[top : top + height, left : left + width] = image
    return whole
