"""Figure 2: vector quantisation above, product quantisation below, drawn (section 3.1)."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.patches import Circle, FancyArrowPatch, Polygon, Rectangle

from pqgan.plan import Plan
from pqgan.settings import Settings

from .. import contents, wording
from ..results import Results
from .style import ACCENT, DOUBLE, FAINT, INK, MUTED, Picture, new_figure, subspaces_map

MIDDLE = 3.3
"""Height of encoder and decoder."""
CHANNELS = 8
"""Cells of a latent vector, as many in both."""
CELL = 0.2
"""Side of a cell."""
UPPER, LOWER = (3.55, 6.45), (0.0, 3.05)
"""Bottom and top of what is vector and what is product quantisation."""
LEFT, RIGHT = 3.7, 10.3
"""Ends of both."""
SPLIT = ("1", "2", "S")
"""Subspaces that are drawn; between the last two stand dots."""


def figure2(settings: Settings, plan: Plan, results: Results) -> Picture:
    """Encoder, the two ways to quantise a latent vector, decoder."""
    title = contents.ITEMS["figure2"]
    figure = new_figure(DOUBLE, 3.8, title, f"scale {settings.name} · schematic, no measurement (n = 0)")
    axes = figure.add_subplot()
    axes.set(xlim=(0, 14), ylim=(-0.1, 6.55), aspect="equal")
    axes.set_axis_off()
    _photo(axes, 0.05, "$x$")
    _trapezoid(axes, 1.3, wide_left=True, name="Encoder")
    _latent(axes, 2.55, "$z_e$")
    _latent(axes, 10.67, "$z_q$")
    _trapezoid(axes, 11.7, wide_left=False, name="Decoder")
    _photo(axes, 12.9, r"$\hat{x}$")
    for start, end in ((1.1, 1.28), (2.32, 2.53), (11.47, 11.68), (12.7, 12.88)):
        _arrow(axes, (start, MIDDLE), (end, MIDDLE))
    _vector(axes)
    _product(axes)
    caption = wording.caption(
        "Schematic, no measurement. Vector quantisation (VQ, above) and product quantisation (PQ, below) between the "
        "encoder and the decoder of the same autoencoder. VQ replaces each latent vector of d channels, of which z_e "
        "has h × w, by the nearest of the K codewords of one codebook. PQ splits the vector into S subspaces of d/S "
        "channels and replaces each by the nearest of the K codewords of its own codebook, so that S short searches "
        "choose among K^S vectors. S = 1 is VQ, S = d scalar quantisation. The same at every scale (here: "
        f"{wording.run_of(settings)}, n = 0 images, no feature networks).",
    )
    alt = wording.caption(
        "Image, encoder, latents z_e, two boxes, latents z_q, decoder, reconstruction. Upper box, vector quantisation:",
        "a whole latent vector and one codebook of K codewords as long as it, the nearest of which is framed. Lower",
        "box, product quantisation: the vector split into S parts, each with a codebook of K short codewords of its",
        "own, one framed in each, and the vector put together from these.",
    )
    return Picture(figure, title, caption, alt)


def _vector(axes: Axes) -> None:
    """One codebook of K codewords of d channels."""
    bottom, _ = UPPER
    _box(axes, UPPER, "Vector quantisation (VQ)", "one of K vectors")
    middle = bottom + 1.32
    low = middle - CHANNELS * CELL / 2
    _bar(axes, LEFT + 0.45, low, ["0.62"] * CHANNELS)
    first, gap, chosen = 5.95, 0.32, 2
    for place in range(5):
        left = first + gap * place
        _bar(axes, left, low, ["0.62" if place == chosen else "0.9"] * CHANNELS, framed=place == chosen)
    _dots(axes, first + gap * 5 + 0.1, middle)
    _bar(axes, first + gap * 6 + 0.3, low, ["0.9"] * CHANNELS)
    _below(axes, bottom, "d channels", "one codebook C: K codewords of d channels")
    _bar(axes, RIGHT - 0.65, low, ["0.62"] * CHANNELS)
    _arrow(axes, (LEFT + 0.75, middle), (first - 0.1, middle))
    _arrow(axes, (first + gap * 6 + 0.6, middle), (RIGHT - 0.75, middle))
    _label(axes, (LEFT + 0.7 + first) / 2, middle + 0.25, "nearest\nof K", 6.5, va="bottom")
    _joined(axes, middle)


def _product(axes: Axes) -> None:
    """S codebooks of K codewords of d/S channels."""
    bottom, _ = LOWER
    _box(axes, LOWER, "Product quantisation (PQ)", "one of $K^S$ vectors")
    tones = dict(zip(SPLIT, (subspaces_map()(share) for share in (0.25, 0.6, 1.0)), strict=True))
    heights = {"1": bottom + 2.2, "2": bottom + 1.62, "S": bottom + 0.62}
    first, gap = 5.95, 0.32
    for (name, height), chosen in zip(heights.items(), (1, 4, 3), strict=True):
        low = height - CELL
        _bar(axes, LEFT + 0.45, low, [tones[name]] * 2)
        _label(axes, LEFT + 0.3, height, name, 6.5)
        for place in range(5):
            left = first + gap * place
            _bar(axes, left, low, [tones[name] if place == chosen else "0.9"] * 2, framed=place == chosen)
        _dots(axes, first + gap * 5 + 0.1, height)
        _bar(axes, first + gap * 6 + 0.3, low, ["0.9"] * 2)
        _bar(axes, RIGHT - 0.65, low, [tones[name]] * 2)
        _label(axes, RIGHT - 0.3, height, name, 6.5)
        _arrow(axes, (LEFT + 0.75, height), (first - 0.1, height))
        _arrow(axes, (first + gap * 6 + 0.6, height), (RIGHT - 0.75, height))
        _label(axes, first - 0.75, height + 0.16, f"$C^{{({name})}}$", 7)
    for x in (LEFT + 0.55, first + gap * 3 + 0.2, RIGHT - 0.55):
        for step in range(3):
            axes.add_patch(Circle((x, bottom + 1.25 - 0.13 * step), 0.03, color=MUTED))
    _below(axes, bottom, "S × d/S channels", "S codebooks: K codewords of d/S channels each")
    _joined(axes, bottom + 1.4)


def _joined(axes: Axes, height: float) -> None:
    """Arrows from z_e into a box, and out of it to z_q."""
    start, end = (3.34, MIDDLE), (10.65, MIDDLE)
    _arrow(axes, start, (LEFT, height))
    _arrow(axes, (RIGHT, height), end)


def _below(axes: Axes, bottom: float, vector: str, codebooks: str) -> None:
    _label(axes, LEFT + 0.15, bottom + 0.2, vector, 6.5, ha="left")
    _label(axes, RIGHT - 0.15, bottom + 0.2, codebooks, 6.5, ha="right")


def _box(axes: Axes, ends: tuple[float, float], name: str, size: str) -> None:
    bottom, top = ends
    axes.add_patch(
        Rectangle((LEFT, bottom), RIGHT - LEFT, top - bottom, facecolor="white", edgecolor=MUTED, linewidth=0.8)
    )
    _label(axes, LEFT + 0.15, top - 0.25, name, 8, ha="left", fontweight="bold")
    _label(axes, RIGHT - 0.15, top - 0.25, size, 8, ha="right")


def _bar(axes: Axes, left: float, low: float, cells: Sequence, framed: bool = False) -> None:
    """A vector, a cell for each of some channels."""
    for number, tone in enumerate(cells):
        axes.add_patch(
            Rectangle((left, low + number * CELL), CELL, CELL, facecolor=tone, edgecolor="white", linewidth=0.5)
        )
    edge = {"edgecolor": ACCENT, "linewidth": 1.8} if framed else {"edgecolor": INK, "linewidth": 0.5}
    axes.add_patch(Rectangle((left, low), CELL, CELL * len(cells), fill=False, zorder=3, **edge))


def _label(axes: Axes, x: float, y: float, text: str, size: float = 7, **more) -> None:
    axes.text(x, y, text, fontsize=size, parse_math=True, **{"ha": "center", "va": "center", **more})


def _arrow(axes: Axes, start: tuple[float, float], end: tuple[float, float]) -> None:
    axes.add_patch(
        FancyArrowPatch(
            start, end, arrowstyle="-|>", mutation_scale=7, shrinkA=0, shrinkB=0, linewidth=0.8, color=INK, zorder=2
        )
    )


def _photo(axes: Axes, left: float, name: str) -> None:
    side, bottom = 1.02, MIDDLE - 0.51
    axes.add_patch(Rectangle((left, bottom), side, side, facecolor="#e7eef5", edgecolor=INK, linewidth=0.8))
    axes.add_patch(Circle((left + 0.75, bottom + 0.75), 0.11, color="#e9b44c"))
    hills = [(0, 0), (0, 0.3), (0.3, 0.64), (0.51, 0.38), (0.72, 0.55), (side, 0.25), (side, 0)]
    axes.add_patch(Polygon([(left + x, bottom + y) for x, y in hills], facecolor="#7a9a7e", edgecolor="none"))
    axes.add_patch(Rectangle((left, bottom), side, side, fill=False, edgecolor=INK, linewidth=0.8))
    _label(axes, left + side / 2, bottom - 0.25, name, 8)


def _trapezoid(axes: Axes, left: float, *, wide_left: bool, name: str) -> None:
    near, far = (1.0, 0.5) if wide_left else (0.5, 1.0)
    corners = [(left, -near), (left, near), (left + 1, far), (left + 1, -far)]
    axes.add_patch(Polygon([(x, MIDDLE + y) for x, y in corners], facecolor="#eef0f2", edgecolor=INK, linewidth=0.8))
    _label(axes, left + 0.5, MIDDLE, name, 6.5)


def _latent(axes: Axes, left: float, name: str) -> None:
    """h × w vectors, one of which is looked at."""
    side, low = 0.19, MIDDLE - 2 * 0.19
    for row in range(4):
        for column in range(4):
            tone = MUTED if (row, column) == (2, 3) else FAINT
            place = (left + column * side, low + row * side)
            axes.add_patch(Rectangle(place, side, side, facecolor=tone, edgecolor="white", linewidth=0.6))
    axes.add_patch(Rectangle((left, low), 4 * side, 4 * side, fill=False, edgecolor=INK, linewidth=0.8))
    _label(axes, left + 2 * side, low - 0.25, name, 8)
    _label(axes, left + 2 * side, low - 0.58, "h × w × d", 6)


def _dots(axes: Axes, x: float, height: float) -> None:
    for step in range(3):
        axes.add_patch(Circle((x + 0.12 * step, height), 0.03, color=MUTED))
