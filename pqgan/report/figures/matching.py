"""Figure 5: what the quantiser adds to a reconstruction, and its search beside others (appendix B, reading 24)."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.gridspec import GridSpec
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, NullLocator, SymmetricalLogLocator

from pqgan.plan import Plan
from pqgan.records import Measurement, Record
from pqgan.settings import Settings

from .. import contents, wording
from ..formats import significant
from ..results import Results
from .scatter import LEGEND, Point, Scale, hollow
from .style import ACCENT, DOUBLE, FAINT, MUTED, Picture, new_figure

PLAIN = "full distances"
"""The way of the quantiser, or search, that holds all distances."""
LIBRARIES = {PLAIN: MUTED, "faiss": "#1d4ed8", "vector-quantize-pytorch": "#15803d"}
"""Colour by the beginning of a way's name; other ways are our backends."""
HOLLOW = {"facecolor": "none", "edgecolor": None, "linewidth": 1.0}
PANELS, CASE = 2.2, 0.21
"""Heights of the upper panels and of a case in the lower one, inches."""


def figure5(settings: Settings, plan: Plan, results: Results) -> Picture:
    """Overhead and wall time against S, colour S, area d; below every search of the bench."""
    return draw(settings, results.record("matching", "matching"))


def draw(settings: Settings, record: Record) -> Picture:
    """Figure 5 of one record, whatever it holds of reconstructions and searches."""
    reconstructions = [
        item for item in record.measurements if item.metric in ("overhead", "seconds_with", "seconds_without")
    ]
    searches = [item for item in record.measurements if item.metric == "matching_seconds"]
    cases = list(dict.fromkeys(map(_case, searches)))
    batches = sorted({item.conditions["batch"] for item in reconstructions})
    about = record.device
    n = wording.counts([*reconstructions, *searches])
    heights = [PANELS, LEGEND] * bool(batches) + [0.45 + CASE * len(cases), LEGEND] * bool(cases)
    title = contents.ITEMS["figure5"]
    figure = new_figure(
        DOUBLE, 0.7 + sum(heights), title, wording.footer(settings, f"median of n = {n} repeats", about)
    )
    columns = len(batches) + 1
    grid = figure.add_gridspec(len(heights), columns, height_ratios=heights)
    parts = []
    if batches:
        _reconstructions(figure, grid, reconstructions, batches)
        parts += [
            "Above: time that the quantiser adds to a reconstruction as a share of the time without it, and wall time",
            f"of the reconstruction of a batch of {batches[-1]}; F = {{F}}, {{resolution}} px. Filled: this package's",
            "quantiser. Hollow: a plain one that holds all distances, one subspace after the other. Grey: without",
            "quantiser. Colour: subspaces S. Marker area: latent channels d; markers of one S stand beside each other",
            "in order of d. A negative overhead is noise of the clock.",
        ]
    if cases:
        axes = figure.add_subplot(grid[-2, :])
        ways = _searches(axes, searches, cases, record.subject["backend"])
        figure.add_subplot(grid[-1, :]).set_axis_off()
        figure.axes[-1].legend(
            handles=ways, loc="center", ncols=-(-len(ways) // 2), columnspacing=1.2, handletextpad=0.3, borderpad=0
        )
        parts += [
            f"{'Below' if batches else 'Here'}: the search for the nearest codewords alone, of {{positions}} random",
            "latent vectors; {backend} is the backend that the quantiser uses on this device.",
            _exactness(record),
            _left_out(record),
        ]
    behind = [*reconstructions, *searches]
    caption = wording.caption(
        " ".join(parts).format(**record.subject),
        f"All values are measured by this run: {wording.run_of(settings)}, n = {n} repeats, {about}.",
        wording.networks(behind),
        *wording.protocols(behind),
    )
    return Picture(figure, title, caption, _alt(reconstructions, len(cases)), behind)


def _reconstructions(figure, grid: GridSpec, items: Sequence[Measurement], batches: list[int]) -> None:
    """The upper panels and their legend."""
    scale = Scale([_point(item, 1) for item in items], "d", columns=len(batches) + 1)
    drawn = []
    for place, (metric, batch) in enumerate([*(("overhead", batch) for batch in batches), ("seconds_with", None)]):
        axes = figure.add_subplot(grid[0, place])
        shown = [item for item in items if item.conditions["batch"] == (batch or batches[-1])]
        factor = 100 if metric == "overhead" else 1e3
        plain = [_point(item, factor) for item in shown if item.metric == metric and _way(item) == PLAIN]
        ours = [_point(item, factor) for item in shown if item.metric == metric and _way(item) != PLAIN]
        without = [_point(item, factor) for item in shown if item.metric == "seconds_without"]
        if metric == "overhead":
            axes.set_yscale("symlog", linthresh=1, linscale=0.6)
            axes.yaxis.set_major_locator(SymmetricalLogLocator(base=10, linthresh=1))
            axes.axhline(0, color=MUTED, linewidth=0.6)
            axes.margins(y=0.12)
            title, label = "Overhead", "added time [%]"
        else:
            _wall_time_axis(axes, [point.value for point in (*without, *plain, *ours)])
            scale.draw(axes, without, "S", color=FAINT, edgecolor=MUTED, linewidth=0.4)
            title, label = "Reconstruction", "wall time of a batch [ms]"
        scale.draw(axes, plain, "S", **HOLLOW)
        scale.draw(axes, ours, "S")
        axes.yaxis.set_major_formatter(_plain_number)
        axes.set_title(f"{title}, batch {batch or batches[-1]}", loc="left")
        axes.set_xlabel("S, subspaces")
        axes.set_ylabel(label)
        drawn.append(axes)
    scale.colour_bar(figure, drawn)
    grey = Line2D([], [], linestyle="", marker="o", markersize=6, color=FAINT, markeredgecolor=MUTED)
    grey.set_label("without quantiser")
    scale.legend(figure.add_subplot(grid[1, :]), hollow("plain quantiser (all distances)"), grey)


def _wall_time_axis(axes: Axes, values: Sequence[float]) -> None:
    if max(values) < 4 * min(values):
        axes.set_ylim(0, 1.08 * max(values))
        return
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_minor_locator(NullLocator())


def _plain_number(value: float, _: int) -> str:
    return f"{value:,.10g}".replace("-", "−")


def _library(way: str) -> str:
    """The library whose search it is; empty for our backends."""
    return next((name for name in LIBRARIES if way.startswith(name)), "")


def _searches(axes: Axes, items: Sequence[Measurement], cases: list[tuple], backend: str) -> list[Line2D]:
    """The lower panel, a line for each case; returns what its markers mean."""
    handles = []
    drawn_of: dict[str, int] = {}
    for way in sorted(dict.fromkeys(map(_way, items)), key=lambda way: ["", *LIBRARIES].index(_library(way))):
        library = _library(way)
        number = drawn_of[library] = drawn_of.get(library, -1) + 1
        own = way == backend
        look = {"color": LIBRARIES.get(library, ACCENT), "marker": "D" if own else "oxs^v"[number]}
        look |= {"markersize": 5.5 if own else 4.5, "zorder": 4 if own else 3}
        if not own:
            look["markerfacecolor"] = "none"
        shown = [item for item in items if _way(item) == way]
        axes.plot(
            [1e3 * item.value for item in shown], [cases.index(_case(item)) for item in shown], linestyle="", **look
        )
        handles.append(Line2D([], [], linestyle="", label=f"{way} (used)" if own else way, **look))
    axes.set_xscale("log")
    seconds = [item.value for item in items]
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if max(seconds) < 200 * min(seconds) else (1,)))
    axes.xaxis.set_major_formatter(_plain_number)
    axes.set_yticks(range(len(cases)), [f"{d}, {S}, {K}" for d, S, K in cases])
    axes.yaxis.set_minor_locator(NullLocator())
    axes.set_ylim(len(cases) - 0.5, -0.5)
    axes.tick_params(axis="y", length=0)
    axes.set_ylabel("d, S, K")
    axes.set_xlabel(f"wall time of a search of {items[0].conditions['positions']} latent vectors [ms]")
    axes.set_title("Search alone", loc="left")
    return handles


def _exactness(record: Record) -> str:
    wrong = [item for item in record.measurements if item.metric == "wrong_codes"]
    ours = [item.value for item in wrong if _way(item) == record.subject["backend"]]
    others = [item.value for item in wrong if _way(item) != record.subject["backend"]]
    most = [f"{significant(max(found), 2)} with {who}" for found, who in ((ours, "it"), (others, "others")) if found]
    return f"Share of codes that float64 says are not the nearest, at most: {wording.listed(most)}."


def _left_out(record: Record) -> str:
    told = []
    for item in record.subject["left_out"]:
        everywhere = len(item["cases"]) == record.subject["searches"]
        cases = wording.listed("({d}, {S}, {K})".format(**case) for case in item["cases"])
        told.append(f"{item['way']}{'' if everywhere else f' in {cases}'} ({item['why']})")
    return f"Left out: {wording.listed(told)}." if told else ""


def _alt(items: Sequence[Measurement], cases: int) -> str:
    ours = [100 * item.value for item in items if item.metric == "overhead" and _way(item) != PLAIN]
    plain = [100 * item.value for item in items if item.metric == "overhead" and _way(item) == PLAIN]
    spans = [f"{min(of):.3g} to {max(of):.3g} percent" for of in (ours, plain) if of]
    upper = f"Scatter plots against S; the overhead is {' with our quantiser, '.join(spans)} with a plain one. "
    return (upper if items else "") + f"Wall times of {cases} searches, each by several libraries."


def _way(item: Measurement) -> str:
    return item.conditions.get("way", "")


def _case(item: Measurement) -> tuple[int, int, int]:
    return item.conditions["d"], item.conditions["S"], item.conditions["K"]


def _point(item: Measurement, factor: float) -> Point:
    return Point(*_case(item), value=factor * item.value)
