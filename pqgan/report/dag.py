"""The plan as a picture: a box a chapter with its number of jobs, an arrow where one waits for another."""

from collections.abc import Mapping
from html import escape
from itertools import pairwise

from pqgan.plan import Plan

from . import contents

REPORT = "report"
WIDTH, HEIGHT, GAP, FALL, MARGIN = 132, 44, 14, 34, 6
"""Of a box, between two boxes of a row, between two rows, around the picture; pixels at full size."""
BEND = 18
"""Room that an arrow takes in a row that it only passes."""

Edges = dict[str, set[str]]
"""Chapter -> the chapters that wait for it."""
Node = tuple[str, str | None]
"""A chapter's box, with None; or the bend of an arrow in a row that it passes: where from and the row, where to."""
Place = tuple[float, float]
"""Left upper corner."""


def svg(plan: Plan) -> str:
    """An <svg> element that takes its colours from the page."""
    jobs, edges = chapters(plan)
    rows = _rows(edges)
    grid = _ordered(rows, edges)
    places = {node: place for row, nodes in grid.items() for node, place in _row(nodes, row).items()}
    width = max(x + _width(node) for node, (x, _) in places.items()) + MARGIN
    left = min(x for x, _ in places.values()) - MARGIN
    height = max(y for _, y in places.values()) + HEIGHT + MARGIN
    lines = [_arrow([places[node] for node in path], path) for path in _paths(rows, edges)]
    boxes = [_box(name, count, *places[name, None]) for name, count in jobs.items()]
    said = "; ".join(f"{name} before {', '.join(sorted(after))}" for name, after in edges.items() if after)
    return "\n".join(
        [
            f'<svg class="dag" viewBox="{left:.0f} {-MARGIN} {width - left:.0f} {height + MARGIN:.0f}" role="img" '
            f'aria-label="{escape(said)}">',
            '<defs><marker id="head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" '
            'orient="auto"><path d="M0 0L8 4L0 8z"/></marker></defs>',
            *lines,
            *boxes,
            "</svg>",
        ]
    )


def chapters(plan: Plan) -> tuple[dict[str, int], Edges]:
    """Jobs by chapter, and which chapters wait for which; no arrow for what already follows from others."""
    counts: dict[str, int] = {}
    edges: Edges = {}
    for job in plan.all():
        counts[job.chapter] = counts.get(job.chapter, 0) + 1
        edges.setdefault(job.chapter, set())
        for used in job.inputs.values():
            if used.chapter != job.chapter:
                edges.setdefault(used.chapter, set()).add(job.chapter)
    for item in contents.ITEMS:
        for job in contents.inputs(plan, item):
            edges[job.chapter].add(REPORT)
    counts[REPORT], edges[REPORT] = len(contents.ITEMS) + 2, set()  # and the page itself and the summary of the tables
    below = {name: _below(name, edges) for name in edges}
    return counts, {
        name: {after for after in direct if not any(after in below[other] for other in direct)}
        for name, direct in edges.items()
    }


def _below(name: str, edges: Edges) -> set[str]:
    return edges[name].union(*(_below(after, edges) for after in edges[name]))


def _rows(edges: Edges) -> dict[str, int]:
    """Row of each chapter, from the top; each as low as what waits for it allows."""

    def above_end(name: str) -> int:
        return max((1 + above_end(after) for after in edges[name]), default=0)

    heights = {name: above_end(name) for name in edges}
    return {name: max(heights.values()) - height for name, height in heights.items()}


def _paths(rows: Mapping[str, int], edges: Edges) -> list[list[Node]]:
    """Every arrow as the boxes and bends that it touches, one a row."""
    return [
        [(name, None), *[(f"{name} {row}", after) for row in range(rows[name] + 1, rows[after])], (after, None)]
        for name in edges
        for after in sorted(edges[name])
    ]


def _ordered(rows: Mapping[str, int], edges: Edges) -> dict[int, list[Node]]:
    """Boxes and bends by row, in an order in which few arrows cross: sweeps of barycentres."""
    paths = _paths(rows, edges)
    grid: dict[int, list[Node]] = {}
    for name, row in rows.items():
        grid.setdefault(row, []).append((name, None))
    for path in paths:
        for number, bend in enumerate(path[1:-1], rows[path[0][0]] + 1):
            grid.setdefault(number, []).append(bend)
    beside: dict[Node, list[Node]] = {}
    for path in paths:
        for upper, lower in pairwise(path):
            beside.setdefault(upper, []).append(lower)
            beside.setdefault(lower, []).append(upper)
    for _ in range(8):
        for row in (*sorted(grid), *sorted(grid, reverse=True)):
            at = {node: x + _width(node) / 2 for nodes in grid.values() for node, (x, _) in _row(nodes).items()}
            grid[row].sort(key=lambda node: sum(at[other] for other in beside[node]) / len(beside[node]))
    return grid


def _row(nodes: list[Node], row: int = 0) -> dict[Node, Place]:
    """Where each lies; the row is centred on x = 0."""
    x = -(sum(map(_width, nodes)) + GAP * (len(nodes) - 1)) / 2
    places = {}
    for node in nodes:
        places[node] = (x, row * (HEIGHT + FALL))
        x += _width(node) + GAP
    return places


def _width(node: Node) -> int:
    return WIDTH if node[1] is None else BEND


def _arrow(places: list[Place], path: list[Node]) -> str:
    """A smooth line from the lower side of the first box to the upper side of the last."""
    middles = [x + _width(node) / 2 for (x, _), node in zip(places, path, strict=True)]
    d = f"M{middles[0]:.0f} {places[0][1] + HEIGHT:.0f}"
    for (_, y), (previous, x), node in zip(places[1:], pairwise(middles), path[1:], strict=True):
        d += f"C{previous:.0f} {y - FALL / 2:.0f} {x:.0f} {y - FALL / 2:.0f} {x:.0f} {y:.0f}"
        d += f"V{y + HEIGHT:.0f}" if node is not path[-1] else ""
    return f'<path class="arrow" d="{d}" marker-end="url(#head)"/>'


def _box(name: str, count: int, x: float, y: float) -> str:
    jobs = f"{count} job{'s' if count > 1 else ''}"
    middle = x + WIDTH / 2
    return (
        f'<g><rect x="{x:.0f}" y="{y:.0f}" width="{WIDTH}" height="{HEIGHT}" rx="5"/>'
        f'<text x="{middle:.0f}" y="{y + 18:.0f}">{escape(name.replace("_", " "))}</text>'
        f'<text class="count" x="{middle:.0f}" y="{y + 34:.0f}">{jobs}</text></g>'
    )
