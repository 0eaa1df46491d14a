"""Claims about how the sweep's metrics move with d, S and K."""

import math

from pqgan.settings import PQConfig

from .contrasts import Coefficients, combined, slope
from .evidence import Evidence
from .findings import Finding, tested
from .lines import Line, chosen, lines, nearest

QUALITY = ("psnr", "rfid")


def vq_falls_with_d(evidence: Evidence) -> list[Finding]:
    """Minus the slope over log2 d, at S = 1."""
    line = chosen(evidence, lines(evidence, "d", lambda config: config.S == 1))
    return _slopes(evidence, line, "d", -1, QUALITY, "Loss", "two or more d with S=1, at one F and K")


def pq_rises_with_d(evidence: Evidence) -> list[Finding]:
    """The slope over log2 d, at S = d/2."""
    line = chosen(evidence, lines(evidence, "d", _is_half, tied="S", note="S=d/2"))
    return _slopes(evidence, line, "d", 1, QUALITY, "Gain", "two or more d with S=d/2, at one F and K")


def _is_half(config: PQConfig) -> bool:
    return 1 < config.S == config.d / 2


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
        return [_needs("d/4, d/2 and d as S, at one F, d and K")]
    swept = {d: groups[line.fixed["F"], line.fixed["K"]][d] for d in line.points}
    # d/8, or what comes nearest to it where it is not planned
    least = {d: d // 8 if d // 8 in points else min(points) for d, points in swept.items()}
    turns = [combined((1, _step(S, d // 4, d // 2)), (-1, _step(S, d // 2, d))) for d, S in swept.items()]
    gains = [_step(points, least[d], d // 2) for d, points in swept.items()]
    if len(swept) == 1:
        (d,) = swept
        steps = [f"S={d // 4} to {d // 2}", f"S={d // 2} to {d}", f"S={least[d]} to {d // 2}"]
        where, label = f"{line.where}, d={d}", "S={S}"
    else:
        steps = ["S=d/4 to d/2", "S=d/2 to d", "the least S (d/8 where planned) to d/2"]
        where, label = f"{line.where}; mean of d={', '.join(map(str, swept))}", "d={d}, S={S}"
    named = {label.format(d=d, S=S): name for d, points in swept.items() for S, name in points.items()}
    contrasts = {f"Gain from {steps[0]}, less the gain from {steps[1]}; {where}": _mean(turns)}
    contrasts[f"Gain from {steps[2]}; {where}"] = _mean(gains)
    return [
        tested(evidence, metric, words, coefficients, {key: named[key] for key in named if named[key] in coefficients})
        for words, coefficients in contrasts.items()
        for metric in QUALITY
    ]


def _step(points: dict[int, str], lower: int, upper: int) -> Coefficients:
    return {points[upper]: 1.0, points[lower]: -1.0}


def _mean(contrasts: list[Coefficients]) -> Coefficients:
    return combined(*((1 / len(contrasts), contrast) for contrast in contrasts))


def codewords_next_to_subspaces(evidence: Evidence) -> list[Finding]:
    """Twice the S gains more than all the codewords from the least K to the most."""

    def halved(line: Line) -> dict[int, str]:
        """Configurations of half as many subspaces, by K."""
        F, d, S = line.fixed.values()
        found = {K: f"f{F}-d{d}-S{S // 2}-K{K}" for K in line.points if S % 2 == 0}
        return {K: name for K, name in found.items() if name in evidence.designs}

    line = chosen(evidence, filter(halved, lines(evidence, "K")))
    if line is None:
        return [_needs("two or more K at one F, d and S, and half as many subspaces at one of these K")]
    F, _, S = line.fixed.values()
    less = halved(line)
    at = nearest(evidence, F, "K", less)
    low, high = min(line.points), max(line.points)
    coefficients = combined((1, {line.points[at]: 1.0, less[at]: -1.0}), (-1, _step(line.points, low, high)))
    compared = f"Gain from S={S // 2} to {S} at K={at}, less the gain from K={low} to {high}; {line.where}"
    shown = {f"S={S // 2}, K={at}": less[at]} | {f"S={S}, K={K}": line.points[K] for K in sorted({low, at, high})}
    return [tested(evidence, metric, compared, coefficients, shown) for metric in QUALITY]


def entropy(evidence: Evidence) -> list[Finding]:
    """H_n rises over log2 S, and by more from end to end than it moves along K, either way."""
    by_S, by_K = (chosen(evidence, lines(evidence, varied)) for varied in ("S", "K"))
    found = _slopes(evidence, by_S, "S", 1, ["H_n"], "Rise", "two or more S at one F, d and K")
    if by_K is None:
        return [*found, _needs("two or more K at one F, d and S")]
    if by_S is None:
        return found
    rise, drift = (_step(line.points, min(line.points), max(line.points)) for line in (by_S, by_K))
    means = evidence.fit("H_n").means
    moved = sum(c * means.get(name, math.nan) for name, c in drift.items())
    shown = {f"S={S}": name for S, name in by_S.points.items() if name in rise}
    shown |= {f"K={K}": name for K, name in by_K.points.items() if name in drift}
    compared = (
        f"Change from S={min(by_S.points)} to {max(by_S.points)} ({by_S.where}), less the size of the change from "
        f"K={min(by_K.points)} to {max(by_K.points)} ({by_K.where})"
    )
    # the sign as it was observed: this takes more off than a change of known sign would
    return [*found, tested(evidence, "H_n", compared, combined((1, rise), (-1 if moved > 0 else 1, drift)), shown)]


def perplexity(evidence: Evidence) -> list[Finding]:
    """Minus the slope of P_n over log2 K."""
    line = chosen(evidence, lines(evidence, "K"))
    return _slopes(evidence, line, "K", -1, ["P_n"], "Fall", "two or more K at one F, d and S")


def _slopes(
    evidence: Evidence, line: Line | None, varied: str, sign: int, metrics, word: str, needs: str
) -> list[Finding]:
    if line is None:
        return [_needs(needs)]
    coefficients = combined((sign, slope({name: number for number, name in line.points.items()})))
    shown = {f"{varied}={number}": name for number, name in line.points.items()}
    compared = f"{word} with each doubling of {varied}; {line.where}"
    return [tested(evidence, metric, compared, coefficients, shown) for metric in metrics]


def _needs(what: str) -> Finding:
    return Finding("Nothing to compare", missing=f"needs {what}")
