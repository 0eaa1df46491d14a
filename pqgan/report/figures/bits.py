"""figure_bits: quality over bits a pixel, of codecs and of everything that has a number of bits (not in the paper)."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle
from math import isfinite

from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from pqgan.metrics import METRICS
from pqgan.plan import Plan
from pqgan.records import Measurement, Record
from pqgan.settings import Settings
from pqgan.settings.configurations import BY_KIND, OTHER_QUANTISERS
from pqgan.subjects import stored_bits

from .. import contents, wording
from ..results import Results
from .scatter import LINE, OPACITY, log_axis
from .style import DOUBLE, INK, MUTED, Picture, new_figure, note

SHOWN = ("psnr", "lpips", "rfid")
CODECS = {"JPEG": "-", "WebP": "--", "AVIF": ":"}
"""Method -> its line; another has a solid one."""
FACTORS = {4: "#7c3aed", 8: "#1d4ed8", 16: "#c2410c", 32: "#15803d"}
"""Colour of a factor F; of another the last."""
LINEAR, PRODUCT, VECTOR, BYTES = "linear PQ", "trained PQ", "VQ (S = 1)", "stored as bytes"
AUTHORS = "PQ, authors' weights"
PATH = " + path"
"""Behind the kind of what has one around its trunk."""
OTHERS = dict(zip((config.method for config in OTHER_QUANTISERS), cycle("^vDPX<>"), strict=False))
"""Method of another quantiser -> its marker."""
SHAPES = {PRODUCT: "o", AUTHORS: "H", VECTOR: "s", PRODUCT + PATH: "o", VECTOR + PATH: "s", BYTES: "*", **OTHERS}
HEIGHT, COLUMNS = 2.5, 4
"""Of the panels, inches; of the legend."""


@dataclass(frozen=True)
class Point:
    """A model: what it belongs to, and what it reaches for its bits."""

    name: str
    series: tuple[str, int | None]
    """Codec, or kind of model, and its factor F, which a codec has not."""
    bits: float
    values: dict[str, float]

    @property
    def is_codec(self) -> bool:
        return self.series[1] is None

    @property
    def has_line(self) -> bool:
        return self.is_codec or self.series[0] == LINEAR


def figure_bits(settings: Settings, plan: Plan, results: Results) -> Picture:
    """PSNR, LPIPS and rFID, each over bits a pixel."""
    title = contents.ITEMS["figure_bits"]
    records = [results.record(job.chapter, job.name) for job in results.jobs]
    points = [point for record in records if (point := _point(record)) is not None]
    if not points:
        return note(settings, title, "No model of this scale is evaluated that has a number of bits a pixel.")
    drawn = {point.name for point in points}
    without = [record.name for record in records if record.name not in drawn]
    behind = wording.headline([record for record in records if record.name in drawn], SHOWN, ["val"])
    n, set_ = wording.counts(behind), settings.scale.evaluation.data
    footer = wording.footer(settings, f"set {set_}, n = {n} images per model", measurements=behind)
    handles = _legend(points)
    lines = -(-len(handles) // COLUMNS)
    figure = new_figure(DOUBLE, 0.8 + HEIGHT + LINE * lines, title, footer)
    grid = figure.add_gridspec(2, len(SHOWN), height_ratios=[HEIGHT, LINE * lines])
    for place, metric in enumerate(SHOWN):
        _panel(figure.add_subplot(grid[0, place]), points, metric)
    below = figure.add_subplot(grid[1, :])
    below.set_axis_off()
    legend = below.legend(
        handles=handles, loc="center", ncols=COLUMNS, columnspacing=1.4, handletextpad=0.4, borderpad=0
    )
    legend.set_in_layout(False)  # its width would be taken from the panels
    caption = wording.caption(
        f"Not in the paper: {wording.listed(METRICS[metric].label for metric in SHOWN)}, each over the bits a pixel "
        "that an image takes as stored: S log2(K) / F² of codes, log2(K) rounded up; 8 d / F² of latents stored as "
        "bytes; of a codec its files, headers counted. Bits a pixel are on a logarithmic axis, and so are LPIPS and "
        "rFID.",
        _lines(points),
        f"Not drawn, as continuous latents have no bits: {wording.listed(without)}." if without else "",
        _missing(points),
        f"All values are measured by this run: {wording.run_of(settings)}, set {set_}, n = {n} images per model.",
        wording.networks(behind),
        *wording.protocols(behind),
    )
    return Picture(figure, title, caption, _alt(points), behind)


def _point(record: Record) -> Point | None:
    found = record.get("bits_per_pixel", on="val")
    bits = found.value if found else stored_bits(record.subject)
    if bits is None:
        return None
    values = {metric: record.get(metric, on="val") for metric in SHOWN}
    shown = {metric: item.value for metric, item in values.items() if item is not None and _stands(metric, item)}
    return Point(record.name, _series(record), bits, shown)


def _stands(metric: str, item: Measurement) -> bool:
    return isfinite(item.value) and (not METRICS[metric].ratio or item.value > 0)


def _series(record: Record) -> tuple[str, int | None]:
    subject = record.subject
    if subject["kind"] == "codec":
        return subject["method"], None
    if subject["kind"] == "linear":
        return LINEAR, subject["F"]
    if subject["kind"] == "tiny":
        return BYTES, subject["F"]
    if (method := BY_KIND[subject["kind"]].method) in OTHERS:
        return method, subject["F"]
    if subject["kind"] == "pq" and "published" in subject:
        return AUTHORS, subject["F"]
    path = PATH if subject.get("shortcut") else ""
    return (VECTOR if subject["S"] == 1 else PRODUCT) + path, subject["F"]


def _panel(axes: Axes, points: Sequence[Point], metric: str) -> None:
    shown = [point for point in points if metric in point.values]
    for series in dict.fromkeys(point.series for point in shown):
        of = [point for point in shown if point.series == series]
        if of[0].has_line:
            of = _best(of, metric)
        axes.plot([point.bits for point in of], [point.values[metric] for point in of], **_look(of[0]))
    axes.set_xlabel("bits a pixel")
    axes.set_title(METRICS[metric].axis)
    if not shown:
        return
    log_axis(axes.xaxis, [point.bits for point in shown])
    axes.margins(0.06)
    if METRICS[metric].ratio:
        log_axis(axes.yaxis, [point.values[metric] for point in shown])
    else:
        axes.yaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10]))


def _best(points: Sequence[Point], metric: str) -> list[Point]:
    """Of each number of bits the best, from few bits to many."""
    sign = -1 if METRICS[metric].ratio else 1
    best: dict[float, Point] = {}
    for point in points:
        known = best.get(point.bits)
        if known is None or sign * point.values[metric] > sign * known.values[metric]:
            best[point.bits] = point
    return [best[bits] for bits in sorted(best)]


def _look(point: Point) -> dict:
    name, F = point.series
    if F is None:
        return {"color": INK, "linestyle": CODECS.get(name, "-"), "marker": ".", "markersize": 3, "zorder": 2}
    colour = FACTORS.get(F, MUTED)
    if name == LINEAR:
        return {"color": colour, "linestyle": "-", "linewidth": 0.8, "marker": "|", "markersize": 5, "zorder": 2}
    look = {"color": colour, "linestyle": "", "marker": SHAPES[name], "markersize": 7 if name == BYTES else 4}
    hollow = name.endswith(PATH)
    edge = {"markerfacecolor": "none", "markeredgewidth": 0.9} if hollow else {"markeredgecolor": "white"}
    return {**look, "markeredgewidth": 0.4, "alpha": OPACITY, "zorder": 3, **edge}


def _legend(points: Sequence[Point]) -> list[Line2D]:
    """What lines and markers mean: codecs, then kinds by F."""
    order = [*CODECS, LINEAR, *SHAPES]
    first = {point.series: point for point in points}
    handles = []
    for name, F in sorted(first, key=lambda series: (order.index(series[0]), series[1] or 0)):
        named = name
        if name == BYTES:
            of = wording.listed(point.name for point in points if point.series == (name, F))
            named = f"{of}, {BYTES}"
        handles.append(Line2D([], [], label=named if F is None else f"{named}, F = {F}", **_look(first[name, F])))
    return handles


def _lines(points: Sequence[Point]) -> str:
    names = {point.series[0] for point in points}
    path = any(name.endswith(PATH) for name in names)
    return wording.caption(
        "A line joins what a codec reaches." if any(point.is_codec for point in points) else "",
        "A thin line joins the best linear PQ of each number of bits at one F." if LINEAR in names else "",
        "Hollow, + path: networks with a linear path, which is no part of the paper." if path else "",
    )


def _missing(points: Sequence[Point]) -> str:
    left_out = sum(len(SHOWN) - len(point.values) for point in points)
    return f"Left out: {left_out} values that are not there or cannot stand on their axis." if left_out else ""


def _alt(points: Sequence[Point]) -> str:
    bits = [point.bits for point in points]
    kinds = wording.listed(point.series[0] for point in points)
    names = wording.listed(METRICS[metric].label for metric in SHOWN)
    return f"{names} over {min(bits):.3g} to {max(bits):.3g} bits a pixel, of {kinds}; {len(points)} models."
