"""figure_peers: the search for the nearest codewords beside other libraries (not in the paper)."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import NullLocator

from pqgan.plan import Plan
from pqgan.records import Measurement, Record
from pqgan.settings import Settings

from .. import contents, wording
from ..formats import significant
from ..results import Results
from .matching import PLAIN, way_of
from .scatter import log_axis
from .style import ACCENT, DOUBLE, MUTED, Picture, new_figure, note

LIBRARIES = {PLAIN: MUTED, "faiss": "#1d4ed8", "vector-quantize-pytorch": "#15803d"}
"""Colour by the beginning of a way's name; other ways are our backends."""
CASE, WAYS = 0.21, 0.42
"""Heights of a case and of the legend, inches."""


def figure_peers(settings: Settings, plan: Plan, results: Results) -> Picture:
    """Every search of the bench, a line for each case."""
    return draw(settings, results.record("matching", "matching"))


def draw(settings: Settings, record: Record) -> Picture:
    """The searches of one record."""
    title = contents.ITEMS["figure_peers"]
    searches = [item for item in record.measurements if item.metric == "matching_seconds"]
    if not searches:
        return note(settings, title, "The record holds no searches: matching.search.cases names none.")
    cases = list(dict.fromkeys(map(_case, searches)))
    n = wording.counts(searches)
    footer = wording.footer(settings, f"median of n = {n} repeats", record.device)
    heights = (0.45 + CASE * len(cases), WAYS)
    figure = new_figure(DOUBLE, 0.6 + sum(heights), title, footer)
    grid = figure.add_gridspec(2, 1, height_ratios=heights)
    ways = _searches(figure.add_subplot(grid[0]), searches, cases, record.subject["backend"])
    below = figure.add_subplot(grid[1])
    below.set_axis_off()
    columns = -(-len(ways) // 2)
    below.legend(handles=ways, loc="center", ncols=columns, columnspacing=1.2, handletextpad=0.3, borderpad=0)
    caption = wording.caption(
        "Not in the paper: the search for the nearest codewords by itself, of {positions} random latent vectors, a "
        "line for each d, S and K; {backend} is the backend that the quantiser uses here.".format(**record.subject),
        _exactness(record),
        _left_out(record),
        f"All values are measured by this run: {wording.run_of(settings)}, n = {n} repeats, {record.device}.",
        wording.networks(searches),
        *wording.protocols(searches),
    )
    alt = f"Wall times of {len(cases)} searches, each by several libraries."
    return Picture(figure, title, caption, alt, searches)


def _library(way: str) -> str:
    """The library whose search it is; empty for our backends."""
    return next((name for name in LIBRARIES if way.startswith(name)), "")


def _searches(axes: Axes, items: Sequence[Measurement], cases: list[tuple], backend: str) -> list[Line2D]:
    """A line for each case; returns what the markers mean."""
    handles = []
    drawn_of: dict[str, int] = {}
    for way in sorted(dict.fromkeys(map(way_of, items)), key=lambda way: ["", *LIBRARIES].index(_library(way))):
        library = _library(way)
        number = drawn_of[library] = drawn_of.get(library, -1) + 1
        own = way == backend
        look = {"color": LIBRARIES.get(library, ACCENT), "marker": "D" if own else "oxs^v"[number]}
        look |= {"markersize": 5.5 if own else 4.5, "zorder": 4 if own else 3}
        if not own:
            look["markerfacecolor"] = "none"
        shown = [item for item in items if way_of(item) == way]
        axes.plot(
            [1e3 * item.value for item in shown], [cases.index(_case(item)) for item in shown], linestyle="", **look
        )
        handles.append(Line2D([], [], linestyle="", label=f"{way} (used)" if own else way, **look))
    log_axis(axes.xaxis, [1e3 * item.value for item in items])
    axes.set_yticks(range(len(cases)), [f"{d}, {S}, {K}" for d, S, K in cases])
    axes.yaxis.set_minor_locator(NullLocator())
    axes.set_ylim(len(cases) - 0.5, -0.5)
    axes.tick_params(axis="y", length=0)
    axes.set_ylabel("d, S, K")
    axes.set_xlabel(f"wall time of a search of {items[0].conditions['positions']} latent vectors [ms]")
    return handles


def _exactness(record: Record) -> str:
    wrong = [item for item in record.measurements if item.metric == "wrong_codes"]
    ours = [item.value for item in wrong if way_of(item) == record.subject["backend"]]
    others = [item.value for item in wrong if way_of(item) != record.subject["backend"]]
    most = [f"{significant(max(found), 2)} with {who}" for found, who in ((ours, "it"), (others, "others")) if found]
    return f"Share of codes that float64 says are not the nearest, at most: {wording.listed(most)}."


def _left_out(record: Record) -> str:
    told = []
    for item in record.subject["left_out"]:
        everywhere = len(item["cases"]) == record.subject["searches"]
        cases = wording.listed("({d}, {S}, {K})".format(**case) for case in item["cases"])
        told.append(f"{item['way']}{'' if everywhere else f' in {cases}'} ({item['why']})")
    return f"Left out: {wording.listed(told)}." if told else ""


def _case(item: Measurement) -> tuple[int, int, int]:
    return item.conditions["d"], item.conditions["S"], item.conditions["K"]
