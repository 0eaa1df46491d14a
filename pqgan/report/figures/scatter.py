"""Panels in which colour is S, shape the kind of quantiser, and area a third number."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import log2

from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, LogLocator, NullFormatter, NullLocator

from .style import INK, MUTED, subspaces_map

SHAPES = {"VQ (S = 1)": "s", "product (1 < S < d)": "o", "scalar (S = d)": "D"}
LINE = 0.2
"""Height of a line of the legend, inches."""
OPACITY = 0.85
"""Of markers: they stand where their numbers are, so that some lie on others."""
THIN, DASHES = 0.7, (0, (6, 2))
"""Of lines across panels: width, points, and lengths of dashes and gaps in widths."""
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
    """What colour, shape and area mean, the same in all panels of a figure.

    Args:
        points: of all panels.
        most: markers of the fullest panel; many have to share the room of a few.
        columns: panels beside each other.
        levels: of lines across panels, whose S has a colour too.
    """

    def __init__(self, points: Iterable[Point], most: int, columns: int, levels: Iterable[Point] = ()):
        points = list(points)
        self.columns = columns
        self.areas = (14.0, 70.0) if most <= 40 else (6.0, 40.0)
        self.subspaces = sorted({point.S for point in (*points, *levels)})
        self.sizes = {name: sorted({getattr(point, name) for point in points}) for name in ("d", "K")}
        self.shapes = [name for name in SHAPES if any(point.shape == name for point in points)]
        self.norm = LogNorm(1, max([2, *self.subspaces]))
        self.map = subspaces_map()

    def area(self, name: str, number: int) -> float:
        """Of a marker, square points.

        Args:
            name: what the area shows: d or K.
            number: its value.
        """
        sizes = self.sizes[name]
        low, high = log2(sizes[0]), log2(sizes[-1])
        share = (log2(number) - low) / (high - low) if high > low else 0.5
        return self.areas[0] + share * (self.areas[1] - self.areas[0])

    def colour(self, S: int) -> tuple[float, float, float, float]:
        return self.map(self.norm(S))

    def draw(self, axes: Axes, points: Sequence[Point], x: str, sized_by: str, *, filled: bool = True) -> None:
        """Points over the number x (d, K or S), each where its own number is, on a logarithmic axis."""
        # large markers first, so that they hide no small one
        for point in sorted(points, key=lambda point: (-getattr(point, sized_by), point.S)):
            colour = self.colour(point.S)
            look = {"color": colour, "edgecolor": "white", "linewidth": 0.5, "alpha": OPACITY}
            hollow = {"facecolor": "none", "edgecolor": colour, "linewidth": 1.0}
            axes.scatter(
                getattr(point, x),
                point.value,
                s=self.area(sized_by, getattr(point, sized_by)),
                marker=SHAPES[point.shape],
                zorder=3,
                **(look if filled else hollow),
            )

    def draw_levels(self, axes: Axes, levels: Iterable[Point]) -> None:
        """A thin line across the panel at each value, whatever its d, S and K."""
        for level in levels:
            axes.axhline(level.value, color=self.colour(level.S), linewidth=THIN, linestyle=DASHES, zorder=2)

    def number_axis(self, axes: Axes, x: str, numbers: Iterable[int]) -> None:
        """The horizontal axis of d, S or K: logarithmic, with a tick at every number."""
        ticks = sorted(set(numbers))
        axes.set_xscale("log", base=2)
        axes.set_xlim(ticks[0] / _BESIDE, ticks[-1] * _BESIDE)
        # numbers of five digits, two of which may be neighbours
        turned = x == "K" and self.columns > 2
        axes.xaxis.set_major_locator(FixedLocator(self._labelled(ticks, 0.022 if turned else 0.04)))
        axes.xaxis.set_minor_locator(FixedLocator(ticks))
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
        if turned:
            axes.tick_params(axis="x", labelrotation=45, labelsize=6.5, pad=1)

    def _labelled(self, ticks: list[int], share: float) -> list[int]:
        """Without those that stand too close to their left neighbour for a label, which takes a share of the width."""
        apart = share * self.columns * log2(_BESIDE**2 * ticks[-1] / ticks[0])
        kept = ticks[:1]
        for tick in ticks[1:]:
            if log2(tick / kept[-1]) >= apart:
                kept.append(tick)
        return kept

    def colour_bar(self, figure: Figure, axes: list[Axes]) -> None:
        bar = figure.colorbar(ScalarMappable(self.norm, self.map), ax=axes, aspect=40, pad=0.015, fraction=0.04)
        bar.set_label("S, subspaces (1: VQ, d: scalar)")
        bar.ax.yaxis.set_major_locator(FixedLocator(self.subspaces))
        bar.ax.yaxis.set_minor_locator(NullLocator())
        bar.ax.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
        bar.outline.set_visible(False)

    def legend(self, axes: Axes, sizes: Iterable[str], *more: Line2D) -> None:
        """The meaning of area, a line for each of some numbers, and below of shape, in an axes of its own."""
        axes.set_axis_off()
        lines = [
            [_handle("o", self.area(name, size), f"{name} = {size}") for size in self.sizes[name]] for name in sizes
        ]
        lines.append([_handle(SHAPES[name], 36, name) for name in self.shapes] + list(more))
        for number, handles in enumerate(lines):
            drawn = axes.legend(
                handles=handles,
                loc="center",
                bbox_to_anchor=(0.5, 1 - (number + 0.5) / len(lines)),
                ncols=len(handles),
                columnspacing=1.2,
                handletextpad=0.2,
                borderpad=0,
            )
            if number < len(lines) - 1:
                axes.add_artist(drawn)


def log_axis(axis: Axis, values: Sequence[float]) -> None:
    """Logarithmic, with as many labels as the span of the values bears."""
    axis.axes.set(**{f"{axis.axis_name}scale": "log"})
    axis.set_major_locator(LogLocator(subs=(1, 2, 5) if max(values) < 200 * min(values) else (1,)))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(lambda value, _: f"{value:,.10g}")


def _handle(marker: str, area: float, label: str) -> Line2D:
    return Line2D(
        [], [], linestyle="", marker=marker, markersize=area**0.5, color=MUTED, markeredgecolor="white", label=label
    )


def thin(label: str) -> Line2D:
    """Legend entry of lines across panels."""
    return Line2D([], [], linestyle=DASHES, linewidth=THIN, color=MUTED, label=label)


def hollow(label: str) -> Line2D:
    """Legend entry of markers without filling."""
    return Line2D([], [], linestyle="", marker="o", markersize=6, markerfacecolor="none", color=INK, label=label)
