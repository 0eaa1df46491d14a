"""Figures 3 and 6, and figure_factors: the sweep, one marker a configuration (sections 4.2, 4.3, appendix C)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite, nan

from matplotlib.axes import Axes

from pqgan.metrics import METRICS
from pqgan.plan import Plan
from pqgan.records import Measurement
from pqgan.settings import Settings

from .. import contents, wording
from ..results import Results
from .scatter import LINE, Point, Scale, log_axis, thin
from .style import DOUBLE, Picture, new_figure, note

PANELS = {"d": "K", "S": "d", "K": "d"}
"""Number on the horizontal axis of each panel -> what the area of its markers shows (section 4.2)."""
NUMBERS = {"d": "d, latent channels", "S": "S, subspaces", "K": "K, codewords per subspace"}
PANEL = 1.5
"""Height of a row of panels, inches."""


@dataclass(frozen=True)
class Row:
    """Panels of one metric at one factor F."""

    F: int
    metric: str
    mark: str = ""
    """What stands above its first panel."""


def figure3(settings: Settings, plan: Plan, results: Results) -> Picture:
    """(a) rFID and (b) H_n and P_n, each over d, S and K, at one factor F."""
    factor = contents.shown_factor(plan, "figure3")
    rows = [Row(factor, "rfid", "(a)"), Row(factor, "H_n", "(b)"), Row(factor, "P_n")]
    says = "(a) rFID, both axes logarithmic. (b) Normalised entropy H_n and normalised perplexity P_n of the codes, "
    says += "linear over a logarithmic axis; 1 is even use."
    return _of_one_factor(settings, plan, results, "figure3", rows, says)


def figure6(settings: Settings, plan: Plan, results: Results) -> Picture:
    """PSNR, rFID, CMMD and LPIPS, each over d, S and K, at one factor F: twelve panels."""
    factor = contents.shown_factor(plan, "figure6")
    rows = [Row(factor, metric) for metric in ("psnr", "rfid", "cmmd", "lpips")]
    says = "rFID, CMMD and LPIPS: both axes logarithmic. PSNR, which is in dB: linear over a logarithmic axis."
    return _of_one_factor(settings, plan, results, "figure6", rows, says)


def figure_factors(settings: Settings, plan: Plan, results: Results) -> Picture:
    """All values of Figures 3 and 6 at every further factor F with more than one configuration; not in the paper."""
    factors = contents.further_factors(plan)
    title = contents.ITEMS["figure_factors"]
    if not factors:
        shown = contents.shown_factor(plan, "figure_factors")
        says = f"Scale ‘{settings.name}’ has no factor F besides F = {shown} with more than one configuration."
        return note(settings, title, f"{says} Figures 3 and 6 show F = {shown}.")
    rows = [Row(F, metric, f"F = {F}") for F in factors for metric in ("rfid", "psnr", "cmmd", "lpips", "H_n", "P_n")]
    named = wording.listed(f"F = {F}" for F in factors)
    says = f"Not in the paper: what Figures 3 and 6 show, at {named}. rFID, CMMD and LPIPS: both axes logarithmic. "
    says += "PSNR, H_n and P_n: linear over a logarithmic axis."
    return _panels(settings, plan, results, title, rows, says)


def _of_one_factor(
    settings: Settings, plan: Plan, results: Results, item: str, rows: Sequence[Row], says: str
) -> Picture:
    factor = rows[0].F
    says += f" The paper names no F for its sweep: F = {factor} is the factor with most configurations of this one, "
    says += "the smallest of equals."
    return _panels(settings, plan, results, f"{contents.ITEMS[item]}, F = {factor}", rows, says)


def _panels(settings: Settings, plan: Plan, results: Results, title: str, rows: Sequence[Row], says: str) -> Picture:
    """Three panels for each row, with all that the rows share."""
    measured = {row: _measured(results, row, contents.product_quantised(plan, row.F)) for row in rows}
    linear = {row: _measured(results, row, results.among("evaluate", contents.linear(plan, row.F))) for row in rows}
    points = {row: _points(results, row, found) for row, found in measured.items()}
    levels = {row: _points(results, row, found) for row, found in linear.items()}
    behind = [item for some in (measured, linear) for found in some.values() for item in found.values()]
    n, set_ = wording.counts(behind), settings.scale.evaluation.data
    footer = wording.footer(settings, f"set {set_}, n = {n} images per configuration", measurements=behind)
    figure = new_figure(DOUBLE, 0.9 + 3 * LINE + PANEL * len(rows), title, footer)
    grid = figure.add_gridspec(len(rows) + 1, 3, height_ratios=[*[PANEL] * len(rows), 3 * LINE])
    most = max(map(len, points.values()))
    scale = Scale(_all(points), most, columns=3, levels=_all(levels))
    drawn = []
    for line, (row, some) in enumerate(points.items()):
        for place, (x, sized_by) in enumerate(PANELS.items()):
            axes = figure.add_subplot(grid[line, place])
            _panel(axes, scale, row, some, levels[row], x)
            if line == 0:
                axes.set_title(f"over {x}, area {sized_by}")
            if line == len(rows) - 1:
                axes.set_xlabel(NUMBERS[x])
            else:
                axes.tick_params(axis="x", labelbottom=False)
            if place == 0:
                axes.set_title(row.mark, loc="left", fontweight="bold")
                about = METRICS[row.metric]
                axes.set_ylabel(about.axis, parse_math=bool(about.symbol))
            else:
                axes.tick_params(axis="y", labelleft=False)
            drawn.append(axes)
    scale.colour_bar(figure, drawn)
    lines = [thin("linear (not in the paper)")] if _all(levels) else []
    scale.legend(figure.add_subplot(grid[-1, :]), ("K", "d"), *lines)
    left_out = len(behind) - len(_all(points)) - len(_all(levels))
    caption = wording.caption(
        says,
        "Each marker is a configuration of the sweep (S = 1 is VQ), at its own number. Left: over the latent "
        "channels d, marker area the codewords K per subspace. Middle: over the subspaces S, marker area d. Right: "
        "over K, marker area d. Colour: S. Shape: VQ, product or scalar.",
        _of_lines(linear),
        f"All values are measured by this run: {wording.run_of(settings)}, set {set_}, n = {n} images per",
        "configuration.",
        f"Left out: {left_out} values that are not finite, or not positive on a logarithmic axis." if left_out else "",
        wording.networks(behind),
        *wording.protocols(behind),
    )
    return Picture(figure, title, caption, _alt(points), behind)


def _measured(results: Results, row: Row, names: Sequence[str]) -> dict[str, Measurement]:
    return {name: results.measurement("evaluate", name, row.metric, "val") for name in names}


def _points(results: Results, row: Row, measured: Mapping[str, Measurement]) -> list[Point]:
    """Those that can stand on the row's axes."""
    return [
        Point(**{key: results.record("evaluate", name).subject[key] for key in PANELS}, value=item.value)
        for name, item in measured.items()
        if _can_stand(row.metric, item.value)
    ]


def _all(points: Mapping[Row, list[Point]]) -> list[Point]:
    return [point for some in points.values() for point in some]


def _of_lines(linear: Mapping[Row, Mapping[str, Measurement]]) -> str:
    """What the lines are; empty where there is none."""
    names = [name for found in linear.values() for name in found]
    if not names:
        return ""
    return (
        f"Thin dashed lines across the panels, in the colour of their S: {wording.listed(names)}. These are not in the "
        "paper: principal components of patches, product-quantised by k-means, without a network."
    )


def _can_stand(metric: str, value: float) -> bool:
    return isfinite(value) and (not METRICS[metric].ratio or value > 0)


def _panel(axes: Axes, scale: Scale, row: Row, points: Sequence[Point], levels: Sequence[Point], x: str) -> None:
    if not points:
        return
    scale.draw(axes, points, x, PANELS[x])
    scale.draw_levels(axes, levels)
    scale.number_axis(axes, x, (getattr(point, x) for point in points))
    axes.margins(y=0.1)
    if METRICS[row.metric].share == "fraction":
        axes.set_ylim(-0.03, 1.05)
    elif METRICS[row.metric].ratio:
        log_axis(axes.yaxis, [point.value for point in (*points, *levels)])


def _alt(points: Mapping[Row, list[Point]]) -> str:
    words = []
    for row, some in points.items():
        values = [point.value for point in some] or [nan]
        words.append(f"F={row.F}: {METRICS[row.metric].label} from {min(values):.3g} to {max(values):.3g}")
    names = wording.listed(METRICS[row.metric].label for row in points)
    return f"Scatter plots of {names} over d, S and K. {'; '.join(words)}."
