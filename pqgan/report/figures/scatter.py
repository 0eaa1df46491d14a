"""Panels in which colour is S, shape the kind of quantiser, and area a second number."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import log2

from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, NullLocator

from .style import INK, MUTED, subspaces_map

SHAPES = {"VQ (S = 1)": "s", "product (1 < S < d)": "o", "scalar (S = d)": "D"}
LEGEND = 0.42
"""Height of the legend, inches."""
_BESIDE = 1.6
"""Room beside the outermost numbers, as a factor."""


@dataclass(frozen=True)
class Point:
    """A configuration and one of its values."""

    d: int
    S: int
    K: int
    value: float

    @property
    def shape(self) -> str:
        vq, product, scalar = SHAPES
        return vq if self.S == 1 else scalar if self.d == self.S else product


class Scale:
    """What colour and area mean, the same in all panels of a figure.

    Args:
        points: of all panels.
        sized_by: name of the number that the area shows: d or K.
        columns: panels beside each other.
    """

    def __init__(self, points: Iterable[Point], sized_by: str, columns: int):
        points = list(points)
        self.columns = columns
        # many markers have to share the room of a few
        self.areas = (18.0, 90.0) if len(points) <= 40 else (10.0, 45.0)
        self.subspaces = sorted({point.S for point in points})
        self.sizes = sorted({getattr(point, sized_by) for point in points})
        self.shapes = [name for name in SHAPES if any(point.shape == name for point in points)]
        self.sized_by = sized_by
        self.norm = LogNorm(1, max([2, *self.subspaces]))
        self.map = subspaces_map()

    def area(self, number: int) -> float:
        low, high = log2(self.sizes[0]), log2(self.sizes[-1])
        share = (log2(number) - low) / (high - low) if high > low else 0.5
        return self.areas[0] + share * (self.areas[1] - self.areas[0])

    def draw(self, axes: Axes, points: Sequence[Point], x: str, **marker) -> None:
        """Points over the number x (d, K or S), on a logarithmic axis."""
        # large markers first, so that they hide no small one
        for point in sorted(points, key=lambda point: -getattr(point, self.sized_by)):
            axes.scatter(
                self._place(point, points, x),
                point.value,
                s=self.area(getattr(point, self.sized_by)),
                marker=SHAPES[point.shape],
                **{"color": self.map(self.norm(point.S)), "edgecolor": "white", "linewidth": 0.6, **marker},
            )
        ticks = sorted({getattr(point, x) for point in points})
        axes.set_xscale("log", base=2)
        axes.set_xlim(ticks[0] / _BESIDE, ticks[-1] * _BESIDE)
        axes.xaxis.set_major_locator(FixedLocator(self._labelled(ticks)))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")

    def _labelled(self, ticks: list[int]) -> list[int]:
        """Without those that stand too close to their left neighbour for a label."""
        apart = 0.05 * self.columns * _octaves(ticks)
        kept = ticks[:1]
        for tick in ticks[1:]:
            if log2(tick / kept[-1]) >= apart:
                kept.append(tick)
        return kept

    def _place(self, point: Point, points: Sequence[Point], x: str) -> float:
        """The number itself, or beside it where other points share it: in order of S, then of what the area shows."""
        number, numbers = getattr(point, x), sorted({getattr(other, x) for other in points})
        order = sorted({self._order(other) for other in points if getattr(other, x) == number})
        # columns of neighbouring numbers must not touch, and may each reach two fifths of the way
        gap = min((log2(right / left) for left, right in pairwise(numbers)), default=1.0)
        octaves = min(0.035 * _octaves(numbers), 0.8 * gap / max(1, len(order) - 1))
        return number * 2 ** (octaves * (order.index(self._order(point)) - (len(order) - 1) / 2))

    def _order(self, point: Point) -> tuple[int, int]:
        return point.S, getattr(point, self.sized_by)

    def colour_bar(self, figure: Figure, axes: list[Axes]) -> None:
        bar = figure.colorbar(ScalarMappable(self.norm, self.map), ax=axes, aspect=30, pad=0.02)
        bar.set_label("S, subspaces (1: VQ, d: scalar)")
        bar.ax.yaxis.set_major_locator(FixedLocator(self.subspaces))
        bar.ax.yaxis.set_minor_locator(NullLocator())
        bar.ax.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
        bar.outline.set_visible(False)

    def legend(self, axes: Axes, *more: Line2D) -> None:
        """The meaning of area, and below it of shape, in an axes of its own."""
        axes.set_axis_off()
        sizes = [_handle("o", self.area(number), f"{self.sized_by} = {number}") for number in self.sizes]
        shapes = [_handle(SHAPES[name], 40, name) for name in self.shapes]
        upper = axes.legend(handles=sizes, loc="upper center", ncols=len(sizes), columnspacing=1.4, borderpad=0)
        axes.add_artist(upper)
        shapes += more
        axes.legend(handles=shapes, loc="lower center", ncols=len(shapes), columnspacing=1.4, borderpad=0)


def _octaves(numbers: Sequence[int]) -> float:
    """Width of the axis on which the numbers stand."""
    return log2(_BESIDE**2 * max(numbers) / min(numbers))


def _handle(marker: str, area: float, label: str) -> Line2D:
    return Line2D(
        [], [], linestyle="", marker=marker, markersize=area**0.5, color=MUTED, markeredgecolor="white", label=label
    )


def hollow(label: str) -> Line2D:
    """Legend entry of markers without filling."""
    return Line2D([], [], linestyle="", marker="o", markersize=6, markerfacecolor="none", color=INK, label=label)
