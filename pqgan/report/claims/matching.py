"""Claims of appendix B on the time that matching takes, by the plain way; and what our quantiser makes of it."""

import math
from dataclasses import replace

from pqgan.records import Measurement

from .comparisons import beyond, known, ratio, within
from .contrasts import CONFIDENCE, Estimate, together
from .evidence import Evidence
from .findings import Finding, beside, difference, limited, needs, percent

OURS, PLAIN = "pqgan", "full distances"
"""Ways of the bench: this package's quantiser, and the one that holds all distances."""
CHANNELS, SUBSPACES, CODEWORDS = 128, 64, 512
"""The paper's best at F=8, of which appendix B gives the overhead."""
OVERHEAD, ROOM = 0.50, 0.10
"""Of appendix B, and what still counts as about as much; the latter is our own."""
STRAIGHT = 0.9
"""Share of the variance of the time that a straight line over S must explain; our own."""
LARGEST, TWICE = 16384, 2.0
"""K of appendix B, and by how much the time may grow up to there; the latter is our own."""
LITTLE = 0.10
"""Of our own finding: a share of the reconstruction without quantiser."""


def half_again(evidence: Evidence) -> list[Finding]:
    """What is left of the room around one half, at the paper's best configuration and one image where it was timed."""
    rows = [
        item
        for metric in ("matching_overhead", "overhead")
        for item in _timed(evidence, metric, PLAIN)
        if (item.conditions["d"], item.conditions["S"]) == (CHANNELS, SUBSPACES)
    ]
    if not rows:
        return [needs(f"d={CHANNELS}, S={SUBSPACES} in the matching bench")]
    # appendix B's own ratio where it was measured, of the smallest batch, at its K
    of_metric = [item for item in rows if item.metric == rows[0].metric]
    item = min(of_metric, key=lambda i: (i.conditions["batch"], i.conditions["K"] != CODEWORDS, i.conditions["K"]))
    value = Estimate(item.value, item.interval) if item.interval else known(item.value)
    compared = f"{percent(ROOM)} less the distance from {percent(OVERHEAD)}, by the plain way; {_where(evidence)}"
    result = within(beyond(value, OVERHEAD), ROOM)
    return [beside(item.metric, compared, result, {_case(item): evidence.use(item)})]


def _timed(evidence: Evidence, metric: str, way: str) -> list[Measurement]:
    """What a way took with models; a search by itself has no batch."""
    return [
        item
        for item in evidence.matching.measurements
        if item.metric == metric and item.conditions.get("way") == way and item.conditions.get("batch")
    ]


def _where(evidence: Evidence) -> str:
    record = evidence.matching
    return f"F={record.subject['F']}, {record.device}"


def _case(item: Measurement) -> str:
    return "d={d}, S={S}, K={K}, batch {batch}".format(**item.conditions)


def linear_in_subspaces(evidence: Evidence) -> list[Finding]:
    """How much of the time's variance a straight line over S explains, less what makes it one; the line rises."""
    line = _line(evidence, "S")
    if len(line) < 3:
        return [needs("three or more S at one d and K in the matching bench")]
    rise, explained = _straight(list(line), [item.value for item in line.values()])
    first = next(iter(line.values())).conditions
    compared = (
        f"Share of the variance of the plain quantiser's time that a straight line over S explains, less {STRAIGHT}; "
        "d={d}, K={K}, batch {batch}; ".format(**first)
        + _where(evidence)
    )
    shown = {f"S={S}": evidence.use(item) for S, item in line.items()}
    found = beside("quantiser_seconds", compared, rise, shown)
    straight = beyond(known(explained), STRAIGHT)
    verdict = together([rise.verdict, straight.verdict])
    words = difference(None, straight)
    return [replace(found, difference=words, value=straight.value, verdict=verdict, missing="")]


def _straight(x: list[int], y: list[float]) -> tuple[Estimate, float]:
    """Slope with its t interval, and the share of the variance that least squares explains."""
    from scipy.special import stdtrit  # as in contrasts.Fit

    n, middle, height = len(x), sum(x) / len(x), sum(y) / len(y)
    if not height:
        return Estimate(math.nan, None), math.nan
    spread = sum((one - middle) ** 2 for one in x)
    total = sum((one - height) ** 2 for one in y)
    slope = sum((one - middle) * (other - height) for one, other in zip(x, y, strict=True)) / spread
    left = max(0.0, total - slope**2 * spread)
    half = float(stdtrit(n - 2, (1 + CONFIDENCE) / 2)) * math.sqrt(left / (n - 2) / spread)
    # in units of the mean: seconds may be smaller than what counts as rounding
    unit = height / middle
    rise = Estimate(slope / unit, ((slope - half) / unit, (slope + half) / unit))
    return rise, 1 - left / total if total else 0.0


def flat_in_codewords(evidence: Evidence) -> list[Finding]:
    """How far the time stays below its double from the least K to the most."""
    line = _line(evidence, "K")
    if len(line) < 2:
        return [needs("two or more K at one d and S in the matching bench")]
    low, high = min(line), max(line)
    ends = {f"K={K}": evidence.use(line[K]) for K in (low, high)}
    compared = (
        f"×{TWICE:g} over the growth of the plain quantiser's time from K={low} to {high}; "
        "d={d}, S={S}, batch {batch}; ".format(**line[low].conditions)
        + _where(evidence)
    )
    result = beyond(ratio(line[low], line[high]), -math.log(TWICE))
    found = beside("quantiser_seconds", compared, result, ends)
    return [limited(found, "" if high >= LARGEST else f"K={LARGEST} in the matching bench")]


def _line(evidence: Evidence, varied: str) -> dict[int, Measurement]:
    """The plain way's times along S or K: the longest such line, then the smallest batch and the most of the others."""
    found: dict[tuple[int, ...], dict[int, Measurement]] = {}
    shared = [key for key in ("batch", "d", "S", "K") if key != varied]
    for item in _timed(evidence, "quantiser_seconds", PLAIN):
        place = tuple(item.conditions[key] for key in shared)
        found.setdefault(place, {})[item.conditions[varied]] = item
    if not found:
        return {}
    place = max(found, key=lambda place: (len(found[place]), -place[0], *place[1:]))
    return dict(sorted(found[place].items()))


def ours_is_cheap(evidence: Evidence) -> list[Finding]:
    """What counts as little, less the largest overhead of this package's quantiser at S = 64."""
    rows = [item for item in _timed(evidence, "overhead", OURS) if item.conditions["S"] == SUBSPACES]
    if not rows:
        return [needs(f"S={SUBSPACES} in the matching bench")]
    most = evidence.use(max(rows, key=lambda item: item.value))
    bounds = most.interval and (LITTLE - most.interval[1], LITTLE - most.interval[0])
    compared = f"{percent(LITTLE)} less the largest overhead at S={SUBSPACES}; {_where(evidence)}"
    return [beside("overhead", compared, Estimate(LITTLE - most.value, bounds), {_case(most): most})]
