"""Claims of section 4.2 and appendix C: how quality moves with d, S and K."""

import math
from collections.abc import Iterable
from dataclasses import replace

from pqgan.settings import PQConfig
from pqgan.settings.configurations import Configuration

from .contrasts import FAILS, HOLDS, OPEN, Coefficients, Estimate, combined, slope
from .evidence import Evidence
from .findings import Finding, difference, estimated, needs, tested, title
from .lines import Line, chosen, lines, nearest

QUALITY = ("psnr", "rfid", "lpips", "cmmd")
SMALL = 512
"""Most codewords of what section 4.2 calls a small codebook."""
STEPS = {"d/4": 4, "d/2": 2, "d": 1}
"""S on both sides of where gains end -> what d is divided by."""
DOWN, UP = "two or more d with S=1, at one F and K", "two or more d with S=d/2, at one F and K"


def vq_falls_with_d(evidence: Evidence) -> list[Finding]:
    """Minus the slope over log2 d, at S = 1."""
    return slopes(evidence, _vq_over_d(evidence), "d", -1, QUALITY, "Loss", DOWN)


def pq_rises_with_d(evidence: Evidence) -> list[Finding]:
    """The slope over log2 d, at S = d/2."""
    return slopes(evidence, _pq_over_d(evidence), "d", 1, QUALITY, "Gain", UP)


def _vq_over_d(evidence: Evidence) -> Line | None:
    return chosen(evidence, lines(evidence, "d", lambda config: config.S == 1))


def _pq_over_d(evidence: Evidence) -> Line | None:
    return chosen(evidence, lines(evidence, "d", _is_half, tied="S", note="S=d/2"))


def _is_half(config: PQConfig) -> bool:
    return 1 < config.S == config.d / 2


def opposite_slopes(evidence: Evidence) -> list[Finding]:
    """Both slopes of quality over log2 d are resolved, one is positive and one negative."""
    vq, pq = _vq_over_d(evidence), _pq_over_d(evidence)
    if vq is None or pq is None:
        return [needs(DOWN if vq is None else UP)]
    return [_opposite(evidence, metric, vq, pq) for metric in QUALITY]


def _opposite(evidence: Evidence, metric: str, vq: Line, pq: Line) -> Finding:
    of_vq, of_pq = (slope({name: d for d, name in line.points.items()}) for line in (vq, pq))
    both = [estimated(evidence, metric, coefficients) for coefficients in (of_pq, of_vq)]
    compared = (
        f"Gain of PQ ({pq.where}) less that of VQ ({vq.where}) with each doubling of d; it takes one gain and one loss"
    )
    apart = tested(evidence, metric, compared, combined((1, of_pq), (-1, of_vq)), {})
    means = "; ".join(f"{name}: {difference(metric, of)}" for name, of in zip(("PQ", "VQ"), both, strict=True))
    return replace(apart, means=means, verdict=_sides_differ(both))


def _sides_differ(slopes_of_both: Iterable[Estimate]) -> str:
    verdicts = [of.verdict for of in slopes_of_both]
    return OPEN if OPEN in verdicts else HOLDS if len(set(verdicts)) == 2 else FAILS


def saturation(evidence: Evidence) -> list[Finding]:
    """The step to S = d/2 gains more than the next one, and S gains at all up to there; averaged over d."""
    groups: dict[tuple[int, int], dict[int, dict[int, str]]] = {}
    for line in lines(evidence, "S"):
        d = line.fixed["d"]
        if {d / 4, d / 2, d} <= line.points.keys():
            groups.setdefault((line.fixed["F"], line.fixed["K"]), {})[d] = line.points
    candidates = [
        Line({"F": F, "K": K}, {d: points[d // 2] for d, points in sorted(group.items())})
        for (F, K), group in groups.items()
    ]
    line = chosen(evidence, candidates)
    if line is None:
        return [needs("d/4, d/2 and d as S, at one F, d and K")]
    swept = {d: groups[line.fixed["F"], line.fixed["K"]][d] for d in line.points}
    at = {f"S={label}": [points[d // by] for d, points in swept.items()] for label, by in STEPS.items()}
    # d/8, or what comes nearest to it where it is not planned
    least = [points[d // 8 if d // 8 in points else min(points)] for d, points in swept.items()]
    first, middle, last = map(_mean, at.values())
    where = f"{line.where}; mean of d={', '.join(map(str, swept))}"
    contrasts = [
        (
            f"Gain from S=d/4 to d/2, less the gain from S=d/2 to d; {where}",
            combined((2, middle), (-1, first), (-1, last)),
            at,
        ),
        (
            f"Gain from the least S (d/8 where planned) to d/2; {where}",
            combined((1, middle), (-1, _mean(least))),
            {"least S": least, "S=d/2": at["S=d/2"]},
        ),
    ]
    return [
        tested(evidence, metric, compared, coefficients, shown)
        for compared, coefficients, shown in contrasts
        for metric in QUALITY
    ]


def _mean(names: list[str]) -> Coefficients:
    return {name: 1 / len(names) for name in names}


def step(points: dict[int, str], lower: int, upper: int) -> Coefficients:
    """The value at one number less that at another."""
    return {points[upper]: 1.0, points[lower]: -1.0}


def codewords_next_to_subspaces(evidence: Evidence) -> list[Finding]:
    """Twice the S gains more than quality changes, either way, from the least K to the most."""

    def halved(line: Line) -> dict[int, str]:
        """Configurations of half as many subspaces, by K."""
        S = line.fixed["S"]
        points = line.points if S % 2 == 0 else {}
        found = {K: evidence.named(evidence.designs[name], S=S // 2) for K, name in points.items()}
        return {K: name for K, name in found.items() if name}

    line = chosen(evidence, filter(halved, lines(evidence, "K")))
    if line is None:
        return [needs("two or more K at one F, d and S, and half as many subspaces at one of these K")]
    F, _, S = line.fixed.values()
    less = halved(line)
    at = nearest(evidence, F, "K", less)
    low, high = min(line.points), max(line.points)
    gain, drift = {line.points[at]: 1.0, less[at]: -1.0}, step(line.points, low, high)
    compared = (
        f"Gain from S={S // 2} to {S} at K={at}, less the size of the change from K={low} to {high}; {line.where}"
    )
    shown = {f"S={S // 2}, K={at}": less[at]} | {f"S={S}, K={K}": line.points[K] for K in sorted({low, at, high})}
    return [
        tested(evidence, metric, compared, combined((1, gain), (-sign(evidence, metric, drift), drift)), shown)
        for metric in QUALITY
    ]


def sign(evidence: Evidence, metric: str, coefficients: Coefficients) -> int:
    """In which direction a contrast was observed: taken off with it, it takes more off than one of known sign would."""
    means = evidence.fit(metric).means
    return 1 if sum(c * means.get(name, math.nan) for name, c in coefficients.items()) > 0 else -1


def small_codebooks(evidence: Evidence) -> list[Finding]:
    """The PQ with most channels and a small K, less the best VQ of its F at any d and K, by rFID."""
    found = []
    for F in sorted({config.F for config in evidence.designs.values()}):
        own = {name: config for name, config in evidence.designs.items() if config.F == F}
        small = {n: c for n, c in own.items() if c.kind == "pq" and _is_half(c) and c.K <= SMALL}
        vq = [name for name, config in own.items() if is_vq(config)]
        if not small or not vq:
            continue
        pq = max(small, key=lambda name: (small[name].d, -small[name].K))
        best = finest(evidence, "rfid", vq)
        compared = f"{pq}, PQ with S=d/2 and most d at K up to {SMALL}, against {best}, the best of {len(vq)} VQ, F={F}"
        found.append(tested(evidence, "rfid", compared, {pq: 1.0, best: -1.0}, {"PQ": pq, "VQ": best}))
    return found or [needs(f"a PQ with S=d/2 and K up to {SMALL}, and a VQ of its F")]


def is_vq(config: Configuration) -> bool:
    """Whether one codebook holds whole vectors."""
    return config.kind == "vqgan" or (config.kind == "pq" and config.S == 1)


def finest(evidence: Evidence, metric: str, names: Iterable[str]) -> str:
    """The best of some configurations; what is not finite comes last."""
    means = evidence.fit(metric).means

    def mean(name: str) -> float:
        value = means.get(name, math.nan)
        return value if math.isfinite(value) else -math.inf

    return max(names, key=mean)


def metrics_agree(evidence: Evidence) -> list[Finding]:
    """PSNR, LPIPS and CMMD come to the side of zero that rFID comes to, in each contrast of claims 1, 2, 4 and 5."""
    tests = (vq_falls_with_d, pq_rises_with_d, saturation, codewords_next_to_subspaces)
    found = [finding for test in tests for finding in test(evidence)]
    sides = {metric: {f.compared: f.verdict for f in found if f.metric == title(metric)} for metric in QUALITY}
    if not sides["rfid"]:
        return [needs("what claims 1, 2, 4 or 5 compare")]
    return [_agree(metric, sides[metric], sides["rfid"]) for metric in QUALITY if metric != "rfid"]


def _agree(metric: str, sides: dict[str, str], of_rfid: dict[str, str]) -> Finding:
    resolved = [(sides[words], verdict) for words, verdict in of_rfid.items() if OPEN not in (sides[words], verdict)]
    same = sum(one == other for one, other in resolved)
    verdict = FAILS if same < len(resolved) else HOLDS if len(resolved) == len(of_rfid) else OPEN
    return Finding(
        "The side of zero of each contrast of claims 1, 2, 4 and 5, beside that of rFID",
        title(metric),
        f"the same {same} times of {len(resolved)} where both are resolved; {len(of_rfid)} contrasts",
        verdict=verdict,
        missing="not every contrast is resolved in both metrics" if verdict == OPEN else "",
    )


def slopes(
    evidence: Evidence,
    line: Line | None,
    varied: str,
    toward: int,
    metrics: Iterable[str],
    word: str,
    missing: str,
) -> list[Finding]:
    """A slope over the logarithm of what a line varies, by each metric.

    Args:
        toward: 1 where a rise speaks for the claim, -1 where a fall does.
    """
    if line is None:
        return [needs(missing)]
    coefficients = combined((toward, slope({name: number for number, name in line.points.items()})))
    shown = {f"{varied}={number}": name for number, name in line.points.items()}
    compared = f"{word} with each doubling of {varied}; {line.where}"
    return [tested(evidence, metric, compared, coefficients, shown) for metric in metrics]
