"""Figures 3 and 6: the sweep, one marker a configuration."""

from collections.abc import Mapping, Sequence
from math import isfinite, nan

from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator, NullLocator

from pqgan.plan import Plan
from pqgan.settings import Settings

from .. import contents, wording
from ..results import Results
from .scatter import LEGEND, Point, Scale
from .style import DOUBLE, Picture, new_figure

LABELS = {"rfid": "rFID (lower is better)", "psnr": "PSNR [dB] (higher is better)", "H_n": "$H_n$", "P_n": "$P_n$"}


def figure3(settings: Settings, plan: Plan, results: Results) -> Picture:
    """rFID and PSNR against d, colour S, area K; a row of panels for each F."""
    return _panels(
        settings,
        plan,
        results,
        "figure3",
        ("rfid", "psnr"),
        x="d",
        sized_by="K",
        x_label="d, latent channels",
        says="rFID (left) and PSNR (right) of every product-quantised configuration of the sweep against the latent "
        "channels d. Colour: subspaces S. Marker area: codewords K a subspace. Markers of one d stand beside each "
        "other in order of S, then K.",
    )


def figure6(settings: Settings, plan: Plan, results: Results) -> Picture:
    """H_n and P_n against K, colour S, area d; a row of panels for each F."""
    return _panels(
        settings,
        plan,
        results,
        "figure6",
        ("H_n", "P_n"),
        x="K",
        sized_by="d",
        x_label="K, codewords a subspace",
        says="Normalised entropy H_n (left) and normalised perplexity P_n (right) of the codes of every "
        "product-quantised configuration of the sweep against the codewords K; 1 is even use. Colour: subspaces S. "
        "Marker area: latent channels d. Markers of one K stand beside each other in order of S, then d.",
    )


def _points(plan: Plan, results: Results, factor: int, metric: str) -> list[Point]:
    points = []
    for name in contents.product_quantised(plan, factor):
        value = results.measurement("evaluate", name, metric, "val").value
        subject = results.record("evaluate", name).subject
        if isfinite(value):
            points.append(Point(**{key: subject[key] for key in ("d", "S", "K")}, value=value))
    return points


def _panels(
    settings: Settings,
    plan: Plan,
    results: Results,
    item: str,
    metrics: Sequence[str],
    *,
    x: str,
    sized_by: str,
    x_label: str,
    says: str,
) -> Picture:
    records = {
        factor: [results.record("evaluate", name) for name in contents.product_quantised(plan, factor)]
        for factor in contents.compared_factors(plan)
    }
    behind = wording.headline([record for group in records.values() for record in group], metrics, ["val"])
    n = wording.counts(behind)
    set_ = settings.scale.evaluation.data
    footer = wording.footer(settings, f"set {set_}, n = {n} images a configuration", measurements=behind)
    title = contents.ITEMS[item]
    figure = new_figure(DOUBLE, 0.6 + LEGEND + 2.2 * len(records), title, footer)
    grid = figure.add_gridspec(len(records) + 1, 2, height_ratios=[*[2.2] * len(records), LEGEND])
    points = {(factor, metric): _points(plan, results, factor, metric) for factor in records for metric in metrics}
    left_out = len(behind) - sum(map(len, points.values()))
    scale = Scale([point for some in points.values() for point in some], sized_by, columns=2)
    drawn = []
    for line, factor in enumerate(records):
        for place, metric in enumerate(metrics):
            axes = figure.add_subplot(grid[line, place])
            if points[factor, metric]:
                scale.draw(axes, points[factor, metric], x)
                _value_axis(axes, metric, [point.value for point in points[factor, metric]])
            axes.set_title(f"F = {factor}", loc="left")
            axes.set_ylabel(LABELS[metric])
            if line == len(records) - 1:
                axes.set_xlabel(x_label)
            drawn.append(axes)
    scale.colour_bar(figure, drawn)
    scale.legend(figure.add_subplot(grid[-1, :]))
    caption = wording.caption(
        says,
        f"All values are measured by this run: {wording.run_of(settings)}, set {set_}, n = {n} images a configuration.",
        f"Left out: {left_out} values that are not finite." if left_out else "",
        wording.networks(behind),
        *wording.protocols(behind),
    )
    return Picture(figure, title, caption, _alt(points, metrics, x), behind)


def _value_axis(axes: Axes, metric: str, values: list[float]) -> None:
    if metric in ("H_n", "P_n"):
        axes.set_ylim(-0.03, 1.05)
    elif metric == "rfid" and min(values) > 0 and max(values) > 3 * min(values):
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_minor_locator(NullLocator())
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")


def _alt(points: Mapping[tuple[int, str], list[Point]], metrics: Sequence[str], x: str) -> str:
    words = []
    for (factor, metric), some in points.items():
        values = [point.value for point in some] or [nan]
        words.append(f"F={factor}: {wording.NAMES[metric]} from {min(values):.3g} to {max(values):.3g}")
    names = " and ".join(wording.NAMES[metric] for metric in metrics)
    return f"Scatter plots of {names} against {x}. {'; '.join(words)}."
