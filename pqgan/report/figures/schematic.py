"""Figure 2: how PQGAN works, drawn."""

from matplotlib.axes import Axes
from matplotlib.patches import Circle, FancyArrowPatch, Polygon, Rectangle

from pqgan.plan import Plan
from pqgan.settings import Settings

from .. import contents, wording
from ..results import Results
from .style import ACCENT, DOUBLE, INK, MUTED, Picture, new_figure, subspaces_map

MIDDLE = 2.75
ROWS = {"1": 4.45, "2": 3.55, "S": 1.05}
"""Subspace -> height of its row; the dots stand between 2 and S."""
SLICE = 0.62


def figure2(settings: Settings, plan: Plan, results: Results) -> Picture:
    """Encoder, split into S subspaces, S codebooks, concatenation, decoder, discriminator."""
    title = contents.ITEMS["figure2"] + ": product quantisation between encoder and decoder"
    figure = new_figure(DOUBLE, 3.3, title, f"scale {settings.name} · schematic, no measurement (n = 0)")
    axes = figure.add_subplot()
    axes.set(xlim=(0, 14), ylim=(-0.35, 5.75), aspect="equal")
    axes.set_axis_off()
    colours = dict(zip(ROWS, (subspaces_map()(share) for share in (0.15, 0.5, 0.85)), strict=True))
    _photo(axes, 0.1, "$x$")
    _trapezoid(axes, 1.75, 1.0, wide_left=True, name="Encoder")
    _trapezoid(axes, 9.55, 1.0, wide_left=False, name="Decoder")
    _photo(axes, 11.0, r"$\hat{x}$")
    for left, name in ((3.35, "$z_e$"), (8.25, "$z_q$")):
        _slices(axes, left, name, colours)
    _codebooks(axes, colours)
    _discriminator(axes)
    for start, end in ((1.35, 1.7), (2.8, 3.25), (9.05, 9.5), (10.6, 10.95)):
        _arrow(axes, (start, MIDDLE), (end, MIDDLE))
    _arrow(axes, (12.25, MIDDLE), (12.6, MIDDLE))
    _label(axes, 3.65, 5.45, "split into S\nsubspaces")
    _label(axes, 6.1, 5.45, "nearest codeword,\nsubspace by subspace")
    _label(axes, 8.55, 5.45, "concatenate")
    _arrow(axes, (8.55, 0.1), (3.65, 0.1), dashed=True)
    _label(axes, 6.1, -0.15, "straight-through gradient")
    caption = wording.caption(
        "Schematic of PQGAN, no measurement. The encoder's latent z_e of d channels at each of h × w positions is",
        "split into S subspaces of d/S channels; each is replaced by the nearest of the K codewords of its own",
        "codebook; their concatenation z_q is decoded; a PatchGAN discriminator plays against the reconstruction.",
        f"S = 1 is VQGAN, S = d scalar quantisation. The same at every scale (here: {wording.run_of(settings)},",
        "n = 0 images, no feature networks).",
    )
    alt = wording.caption(
        "Image, encoder, a latent split into S slices, one codebook of K codewords for each slice, the concatenated",
        "slices, decoder, reconstruction, discriminator.",
    )
    return Picture(figure, title, caption, alt)


def _label(axes: Axes, x: float, y: float, text: str, size: float = 7, **more) -> None:
    axes.text(x, y, text, ha="center", va="center", fontsize=size, **more)


def _arrow(axes: Axes, start: tuple[float, float], end: tuple[float, float], dashed: bool = False) -> None:
    axes.add_patch(
        FancyArrowPatch(
            start,
            end,
            arrowstyle="-|>",
            mutation_scale=7,
            shrinkA=0,
            shrinkB=0,
            linewidth=0.8,
            linestyle=(0, (4, 3)) if dashed else "-",
            color=MUTED if dashed else INK,
        )
    )


def _photo(axes: Axes, left: float, name: str) -> None:
    side, bottom = 1.2, MIDDLE - 0.6
    axes.add_patch(Rectangle((left, bottom), side, side, facecolor="#e7eef5", edgecolor=INK, linewidth=0.8))
    axes.add_patch(Circle((left + 0.88, bottom + 0.88), 0.13, color="#e9b44c"))
    hills = [(0, 0), (0, 0.35), (0.35, 0.75), (0.6, 0.45), (0.85, 0.65), (1.2, 0.3), (1.2, 0)]
    axes.add_patch(Polygon([(left + x, bottom + y) for x, y in hills], facecolor="#7a9a7e", edgecolor="none"))
    axes.add_patch(Rectangle((left, bottom), side, side, fill=False, edgecolor=INK, linewidth=0.8))
    _label(axes, left + side / 2, bottom - 0.3, name, 8)


def _trapezoid(axes: Axes, left: float, width: float, *, wide_left: bool, name: str) -> None:
    near, far = (1.1, 0.6) if wide_left else (0.6, 1.1)
    corners = [(left, -near), (left, near), (left + width, far), (left + width, -far)]
    axes.add_patch(Polygon([(x, MIDDLE + y) for x, y in corners], facecolor="#eef0f2", edgecolor=INK, linewidth=0.8))
    _label(axes, left + width / 2, MIDDLE, name)


def _dots(axes: Axes, x: float) -> None:
    for step in range(3):
        axes.add_patch(Circle((x, 2.5 - 0.25 * step), 0.04, color=MUTED))


def _slices(axes: Axes, left: float, name: str, colours: dict) -> None:
    top, bottom = max(ROWS.values()) + SLICE / 2, min(ROWS.values()) - SLICE / 2
    axes.add_patch(
        Rectangle((left - 0.08, bottom - 0.08), 0.76, top - bottom + 0.16, fill=False, edgecolor=MUTED, linewidth=0.8)
    )
    for row, height in ROWS.items():
        axes.add_patch(
            Rectangle((left, height - SLICE / 2), 0.6, SLICE, facecolor=colours[row], edgecolor="white", linewidth=0.8)
        )
        _label(axes, left + 0.3, height, row, color="white" if row != "S" else INK)
    _dots(axes, left + 0.3)
    _label(axes, left + 0.3, 0.4, f"{name}: d × h × w")


def _codebooks(axes: Axes, colours: dict) -> None:
    left, cell, shown = 5.05, 0.3, 7
    for number, (row, height) in enumerate(ROWS.items()):
        chosen = (2, 5, 3)[number]
        for place in range(shown):
            x = left + place * cell
            axes.add_patch(
                Rectangle(
                    (x, height - SLICE / 2 + 0.1),
                    cell,
                    SLICE - 0.2,
                    facecolor=colours[row],
                    alpha=1.0 if place == chosen else 0.22,
                    edgecolor="white",
                    linewidth=0.8,
                )
            )
        axes.add_patch(
            Rectangle(
                (left + chosen * cell, height - SLICE / 2 + 0.1),
                cell,
                SLICE - 0.2,
                fill=False,
                edgecolor=ACCENT,
                linewidth=1.2,
            )
        )
        _label(axes, left + shown * cell / 2, height - 0.4, f"codebook $C_{{{row}}}$: K × d/S", 6.5)
        _arrow(axes, (4.1, height), (left - 0.05, height))
        _arrow(axes, (left + shown * cell + 0.05, height), (8.12, height))
    _dots(axes, left + shown * cell / 2)


def _discriminator(axes: Axes) -> None:
    axes.add_patch(Rectangle((12.65, MIDDLE - 0.6), 1.25, 1.2, facecolor="#eef0f2", edgecolor=INK, linewidth=0.8))
    _label(axes, 13.275, MIDDLE, "Discrim-\ninator")
    _label(axes, 13.275, MIDDLE - 0.95, "real or fake,\npatch by patch", 6)
