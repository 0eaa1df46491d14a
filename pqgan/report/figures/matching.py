"""Figure 5: what the quantiser adds to a reconstruction (appendix B, reading 24)."""

from pqgan.plan import Plan
from pqgan.records import Record
from pqgan.settings import Settings

from .. import contents, wording
from ..results import Results
from .scatter import LEGEND, Point, Scale, hollow
from .style import DOUBLE, INK, MUTED, Picture, new_figure

METRICS = ("overhead", "seconds_with", "seconds_without", "matching_seconds")


def figure5(settings: Settings, plan: Plan, results: Results) -> Picture:
    """Overhead and wall time against S, colour S, area d."""
    record = results.record("matching", "matching")
    subject = record.subject
    behind = [item for item in record.measurements if item.metric in METRICS]
    n = wording.counts(behind)
    about = "F = {F}, {resolution} px, batches of {batch}, {device}".format(**subject)
    title = contents.ITEMS["figure5"]
    footer = wording.footer(settings, f"median of n = {n} repeats", about)
    figure = new_figure(DOUBLE, 0.6 + LEGEND + 2.3, title, footer)
    grid = figure.add_gridspec(2, 3, height_ratios=[2.3, LEGEND])
    points = {metric: _points(record, metric, 100 if metric == "overhead" else 1e3) for metric in METRICS}
    scale = Scale([point for some in points.values() for point in some], "d", columns=3)
    panels = (
        ("Overhead", "added time [%]", ["overhead"]),
        ("Reconstruction", "wall time of a batch [ms]", ["seconds_without", "seconds_with"]),
        ("Matching alone", "wall time of a batch [ms]", ["matching_seconds"]),
    )
    drawn = []
    for place, (name, label, metrics) in enumerate(panels):
        axes = figure.add_subplot(grid[0, place])
        for metric in metrics:
            marker = {"facecolor": "none", "edgecolor": INK, "color": None} if metric == "seconds_without" else {}
            scale.draw(axes, points[metric], "S", **marker)
        values = [point.value for metric in metrics for point in points[metric]]
        margin = 0.09 * (max(0, *values) - min(0, *values))
        axes.set_ylim(min(values) - margin if min(values) < 0 else 0, max(values) + margin)
        axes.axhline(0, color=MUTED, linewidth=0.6)
        axes.set_title(name, loc="left")
        axes.set_xlabel("S, subspaces")
        axes.set_ylabel(label)
        drawn.append(axes)
    scale.colour_bar(figure, drawn)
    scale.legend(figure.add_subplot(grid[1, :]), hollow("without quantiser"))
    added = [point.value for point in points["overhead"]]
    caption = wording.caption(
        "Left: time that the quantiser adds to a reconstruction, as a share of the time without it. Middle: wall time",
        "of the reconstruction of a batch with the quantiser (filled) and without it (hollow). Right: the search for",
        "the nearest codewords alone. Colour: subspaces S. Marker area: latent channels d; markers of one S stand",
        "beside each other in order of d. A negative overhead is noise of the clock. All values are measured by this",
        f"run: {wording.run_of(settings)}, n = {n} repeats a configuration, {about}.",
        wording.networks(behind),
        *wording.protocols(behind),
    )
    alt = f"Scatter plots against S; the overhead is {min(added):.3g} to {max(added):.3g} percent."
    return Picture(figure, title, caption, alt, behind)


def _points(record: Record, metric: str, factor: float) -> list[Point]:
    return [
        Point(**{key: item.conditions[key] for key in ("d", "S", "K")}, value=factor * item.value)
        for item in record.measurements
        if item.metric == metric
    ]
