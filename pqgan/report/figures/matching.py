"""Figure 5: wall time of a reconstruction and what the quantiser adds to it (appendix B, reading 24)."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from pqgan.errors import DataError
from pqgan.plan import Plan
from pqgan.records import Measurement, Record
from pqgan.settings import Settings

from .. import contents, wording
from ..formats import significant
from ..results import Results
from .scatter import LINE, Point, Scale, hollow, log_axis
from .style import DOUBLE, MUTED, Picture, new_figure, note

PLAIN = "full distances"
"""The way of the quantiser, or search, that holds all distances."""
PANEL = 2.4
"""Height of a row of panels, inches."""
WALL, SHARE, ADDED = "seconds_with", "matching_overhead", "overhead"


def figure5(settings: Settings, plan: Plan, results: Results) -> Picture:
    """Wall time and matching overhead over K, colour S, area d; a row for each batch size."""
    return draw(settings, results.record("matching", "matching"))


def draw(settings: Settings, record: Record) -> Picture:
    """Figure 5 of one record.

    Raises:
        DataError: its reconstructions are without the ratio of appendix B, as earlier versions measured them.
    """
    title = contents.ITEMS["figure5"]
    drawn = [item for item in record.measurements if item.metric in ("seconds_without", WALL, SHARE)]
    if not drawn:
        return note(settings, title, "The record holds no reconstructions: matching.configs names none.")
    if not any(item.metric == SHARE for item in drawn):
        raise DataError(f"matching: reconstructions without {SHARE!r}; expected one of each; run the bench again")
    added = [item for item in record.measurements if item.metric == ADDED]
    batches = sorted({item.conditions["batch"] for item in drawn})
    n = wording.counts(drawn)
    footer = wording.footer(settings, f"n = {n} repeats", record.device)
    figure = new_figure(DOUBLE, 0.7 + 2 * LINE + PANEL * len(batches), title, footer)
    grid = figure.add_gridspec(len(batches) + 1, 2, height_ratios=[*[PANEL] * len(batches), 2 * LINE])
    scale = Scale([point_of(item) for item in drawn], len(drawn) // len(batches) // 2, columns=2)
    panels = []
    for line, batch in enumerate(batches):
        of_batch = [item for item in drawn if item.conditions["batch"] == batch]
        wall, share = (figure.add_subplot(grid[line, place]) for place in range(2))
        _wall_time(wall, scale, of_batch)
        _share(share, scale, of_batch)
        for axes in (wall, share):
            scale.number_axis(axes, "K", (item.conditions["K"] for item in of_batch))
        wall.set_title(f"Reconstruction, batch {batch}", loc="left")
        share.set_title(f"Quantisation overhead, batch {batch}", loc="left")
        panels += [wall, share]
    for axes in panels[-2:]:
        axes.set_xlabel("K, codewords per subspace")
    scale.colour_bar(figure, panels)
    grey = Line2D([], [], linestyle="", marker="_", markersize=8, color=MUTED, label="without quantiser")
    scale.legend(figure.add_subplot(grid[-1, :]), ("d",), hollow("plain quantiser"), grey)
    caption = wording.caption(
        "Wall time of the reconstruction of a batch (left), and time of the quantiser by itself over that of the "
        "reconstruction without it (right; the overhead of appendix B), over the codewords K; "
        f"F = {record.subject['F']}, {record.subject['resolution']} px. Each marker is a configuration. Colour: "
        "subspaces S. Marker area: latent channels d. Lines join configurations of the same d and S. Filled: this "
        "package's quantiser. Hollow, dashed: a plain one that holds all distances, one subspace after the other. "
        "Grey: without quantiser.",
        _by_reading_24(added),
        f"All values are measured by this run: {wording.run_of(settings)}, n = {n} repeats, {record.device}.",
        wording.networks([*drawn, *added]),
        *wording.protocols([*drawn, *added]),
    )
    return Picture(figure, title, caption, _alt(drawn), [*drawn, *added])


def _wall_time(axes: Axes, scale: Scale, items: Sequence[Measurement]) -> None:
    _both(axes, scale, [item for item in items if item.metric == WALL], 1e3)
    bare = [point_of(item, 1e3) for item in items if item.metric == "seconds_without"]
    axes.scatter([each.K for each in bare], [each.value for each in bare], s=30, marker="_", color=MUTED, zorder=2)
    values = [1e3 * item.value for item in items if item.metric != SHARE]
    if max(values) < 4 * min(values):
        axes.set_ylim(0, 1.08 * max(values))
    else:
        log_axis(axes.yaxis, values)
    axes.set_ylabel("wall time of a batch [ms]")


def _share(axes: Axes, scale: Scale, items: Sequence[Measurement]) -> None:
    shares = [item for item in items if item.metric == SHARE]
    _both(axes, scale, shares, 100)
    log_axis(axes.yaxis, [100 * item.value for item in shares])
    axes.set_ylabel("matching / time without [%]")


def _both(axes: Axes, scale: Scale, items: Sequence[Measurement], factor: float) -> None:
    """Both quantisers, ours above; a line through the configurations that differ in K alone."""
    for filled in (False, True):
        points = [point_of(item, factor) for item in items if (way_of(item) != PLAIN) == filled]
        for d, S in sorted({(each.d, each.S) for each in points}):
            line = sorted((each.K, each.value) for each in points if (each.d, each.S) == (d, S))
            axes.plot(
                *zip(*line, strict=True), color=scale.colour(S), linewidth=0.8, linestyle="-" if filled else (0, (3, 2))
            )
        scale.draw(axes, points, "K", "d", filled=filled)


def _by_reading_24(added: Sequence[Measurement]) -> str:
    if not added:
        return ""
    return (
        f"Reading 24's (with - without) / without, in the records as ‘{ADDED}’, is "
        + _spans(added, "this package's quantiser")
        + "; where it is negative, that is noise of the clock."
    )


def _spans(items: Sequence[Measurement], ours: str) -> str:
    """From least to most, of each quantiser."""
    found = []
    for whose, own in ((ours, True), ("a plain one", False)):
        values = [100 * item.value for item in items if (way_of(item) != PLAIN) == own]
        if values:
            found.append(f"{significant(min(values), 3)} to {significant(max(values), 3)} % with {whose}")
    return wording.listed(found)


def _alt(drawn: Sequence[Measurement]) -> str:
    spans = _spans([item for item in drawn if item.metric == SHARE], "our quantiser")
    return f"Scatter plots over K of the wall time of a reconstruction and of the quantisation overhead, {spans}."


def way_of(item: Measurement) -> str:
    """What searched."""
    return item.conditions.get("way", "")


def point_of(item: Measurement, factor: float = 1) -> Point:
    """A measurement times a factor, at its configuration."""
    return Point(**{key: item.conditions[key] for key in ("d", "S", "K")}, value=factor * item.value)
