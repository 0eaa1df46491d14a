"""Claims that set one thing beside another: PQ beside VQ and KL, matching beside the rest of a reconstruction."""

import math
from collections.abc import Callable

from pqgan.records import Measurement

from .. import formats
from .contrasts import Estimate
from .evidence import Evidence
from .findings import Finding, tested
from .sweep import QUALITY

COARSE, FINE = 16, 8
"""Factors F of the claim about PQ and VQ."""
OURS = "pqgan"
"""The way of the bench that is this package's quantiser."""
SUBSPACES, LITTLE = 64, 0.10
"""Of the claim about matching; what counts as little is ours, a share of the reconstruction without quantiser."""


def coarse_pq_over_fine_vq(evidence: Evidence) -> list[Finding]:
    """The selected PQ of F=16 less the best VQ of F=8 by the same metric, which favours VQ."""
    pq = evidence.selected(COARSE)
    vq = [name for name, config in evidence.designs.items() if config.F == FINE and _is_vq(config)]
    if pq is None or not vq:
        needs = f"a selection for F={COARSE}" if pq is None else f"a configuration with S=1 and F={FINE}"
        return [Finding("Nothing to compare", missing=f"needs {needs}")]
    found = []
    for metric in QUALITY:
        best = max(vq, key=_finite_mean(evidence, metric))
        compared = f"{pq}, selected for F={COARSE}, against {best}, by this metric the best VQ of F={FINE}"
        found.append(tested(evidence, metric, compared, {pq: 1.0, best: -1.0}, {"PQ": pq, "VQ": best}))
    return found


def _is_vq(config) -> bool:
    return config.kind == "vqgan" or (config.kind == "pq" and config.S == 1)


def _finite_mean(evidence: Evidence, metric: str) -> Callable[[str], float]:
    """Order in which what is not finite comes last."""
    means = evidence.fit(metric).means

    def mean(name: str) -> float:
        value = means.get(name, math.nan)
        return value if math.isfinite(value) else -math.inf

    return mean


def pq_over_kl(evidence: Evidence) -> list[Finding]:
    """The selected PQ of each F with a KL baseline, less that baseline."""
    found = []
    for kl, config in evidence.designs.items():
        if config.kind != "kl":
            continue
        pq = evidence.selected(config.F)
        if pq is None:
            found.append(Finding(f"{kl} against nothing", missing=f"needs a selection for F={config.F}"))
        else:
            compared = f"{pq}, selected for F={config.F}, against {kl}"
            found += [
                tested(evidence, metric, compared, {pq: 1.0, kl: -1.0}, {"PQ": pq, "KL": kl}) for metric in QUALITY
            ]
    return found or [Finding("Nothing to compare", missing="needs a KL baseline")]


def matching(evidence: Evidence) -> list[Finding]:
    """What counts as little, less the largest overhead of this package's quantiser at S = 64."""
    rows = overheads(evidence)
    if not rows:
        return [Finding("Nothing to compare", missing=f"needs S={SUBSPACES} in the matching bench")]
    most = max(rows, key=lambda item: item.value)
    bounds = most.interval and (LITTLE - most.interval[1], LITTLE - most.interval[0])
    result = Estimate(LITTLE - most.value, bounds)
    where = "d={d}, S={S}, K={K}, batch {batch}".format(**most.conditions)
    return [
        Finding(
            f"{_percent(LITTLE)} less the largest overhead at S={SUBSPACES}; "
            f"F={evidence.matching.subject['F']}, {evidence.matching.device}",
            "Overhead",
            f"{where}: {_percent(most.value)}",
            _points(result),
            100 * result.value if math.isfinite(result.value) else None,
            f"{most.n} repeats",
            result.verdict,
            "" if bounds else "the bench gives no interval",
        )
    ]


def overheads(evidence: Evidence) -> list[Measurement]:
    """What this package's quantiser adds at S = 64, by configuration and batch."""
    return [
        item
        for item in evidence.matching.measurements
        if item.metric == "overhead" and item.conditions.get("way") == OURS and item.conditions["S"] == SUBSPACES
    ]


def _percent(share: float) -> str:
    return f"{formats.fixed(100 * share, 1).removesuffix('.0')} %"


def _points(result: Estimate) -> str:
    value, *bounds = (
        f"{'+' if share > 0 else ''}{formats.fixed(100 * share, 1)}"
        for share in (result.value, *(result.interval or ()))
    )
    return f"{value}{f' [{bounds[0]}, {bounds[1]}]' if bounds else ''} points"
