"""Claims of section 4.3: how evenly codewords are used."""

from pqgan.settings import PQConfig

from .comparisons import beyond, known
from .contrasts import combined, slope
from .evidence import Evidence
from .findings import Finding, estimated, needs, of_trainings, tested
from .lines import chosen, lines
from .sweep import DOWN, sign, slopes, step
from .variance import between_groups

HALF = 0.5
"""Of the variance: more than this between the values of S, and S tells configurations apart better than d and K."""
NOTICED = 0.01
"""Of P_n with each doubling of K: less counts as no dependence; our own."""
EVEN, LARGEST, LARGE = 0.8, 16384, 8192
"""H_n and K of section 4.3, and the least K that may stand for it; the last is our own."""


def vq_lowest(evidence: Evidence) -> list[Finding]:
    """The lowest H_n of PQ on a line along S, less that of VQ on it."""
    line = chosen(evidence, [line for line in lines(evidence, "S") if 1 in line.points])
    if line is None:
        return [needs("S=1 and another S, at one F, d and K")]
    means = evidence.fit("H_n").means
    pq = {S: name for S, name in line.points.items() if S > 1}
    lowest = min(pq, key=lambda S: means.get(pq[S], float("nan")))
    compared = f"The lowest H_n of PQ, which is at S={lowest}, less that of VQ; {line.where}"
    shown = {f"S={S}": name for S, name in line.points.items()}
    return [tested(evidence, "H_n", compared, step(line.points, 1, lowest), shown)]


def vq_falls_with_d(evidence: Evidence) -> list[Finding]:
    """Minus the slope of H_n over log2 d, at S = 1."""
    line = chosen(evidence, lines(evidence, "d", lambda config: config.S == 1))
    return slopes(evidence, line, "d", -1, ["H_n"], "Fall", DOWN)


def rises_with_subspaces(evidence: Evidence) -> list[Finding]:
    """The slope of H_n over log2 S."""
    line = chosen(evidence, lines(evidence, "S"))
    return slopes(evidence, line, "S", 1, ["H_n"], "Rise", "two or more S at one F, d and K")


def clusters(evidence: Evidence) -> list[Finding]:
    """H_n changes more along S than along K, either way; its variance lies between the values of S, not within them."""
    return [_next_to_codewords(evidence), *_between_subspaces(evidence)]


def _next_to_codewords(evidence: Evidence) -> Finding:
    by_S, by_K = (chosen(evidence, lines(evidence, varied)) for varied in ("S", "K"))
    if by_K is None or by_S is None:
        return needs(f"two or more {'K' if by_K is None else 'S'} at one F, d and {'S' if by_K is None else 'K'}")
    rise, drift = (step(line.points, min(line.points), max(line.points)) for line in (by_S, by_K))
    shown = {f"S={S}": name for S, name in by_S.points.items() if name in rise}
    shown |= {f"K={K}": name for K, name in by_K.points.items() if name in drift}
    compared = (
        f"Change from S={min(by_S.points)} to {max(by_S.points)} ({by_S.where}), less the size of the change from "
        f"K={min(by_K.points)} to {max(by_K.points)} ({by_K.where})"
    )
    return tested(evidence, "H_n", compared, combined((1, rise), (-sign(evidence, "H_n", drift), drift)), shown)


def _between_subspaces(evidence: Evidence) -> list[Finding]:
    found = []
    for F in sorted({config.F for config in evidence.designs.values()}):
        groups: dict[int, list[str]] = {}
        for name, config in evidence.designs.items():
            if config.kind == "pq" and config.F == F:
                groups.setdefault(config.S, []).append(name)
        groups = dict(sorted(groups.items()))
        # one value of S must come more than once, or nothing lies within
        if len(groups) < 2 or all(len(names) == 1 for names in groups.values()):
            continue
        means = evidence.fit("H_n").means
        share = between_groups([[means.get(name, float("nan")) for name in names] for names in groups.values()])
        compared = (
            f"Share of the variance of H_n that lies between the values of S, of {sum(map(len, groups.values()))} "
            f"configurations of F={F}, less one half"
        )
        names = [name for members in groups.values() for name in members]
        shown = {f"S={S}": members for S, members in groups.items()}
        found.append(of_trainings(evidence, "H_n", compared, beyond(share, HALF), names, shown))
    return found or [needs("two or more S at one F, one of them with two or more configurations")]


def perplexity(evidence: Evidence) -> list[Finding]:
    """The size of the slope of P_n over log2 K, less what goes unnoticed; the row says in which direction it goes."""
    line = chosen(evidence, lines(evidence, "K"))
    if line is None:
        return [needs("two or more K at one F, d and S")]
    slope_of = slope({name: K for K, name in line.points.items()})
    toward = sign(evidence, "P_n", slope_of)
    result = estimated(evidence, "P_n", combined((toward, slope_of)))
    compared = (
        f"{'Rise' if toward > 0 else 'Fall'} of P_n with each doubling of K, less {NOTICED:g}, below which nothing "
        f"counts as noticed; {line.where}"
    )
    shown = {f"K={K}": name for K, name in line.points.items()}
    return [of_trainings(evidence, "P_n", compared, beyond(result, NOTICED), line.names, shown)]


def stays_even(evidence: Evidence) -> list[Finding]:
    """The lowest H_n of the PQ with most codewords, less what section 4.3 says of these."""
    pq = {name: c for name, c in evidence.designs.items() if isinstance(c, PQConfig) and c.S > 1 and c.K >= LARGE}
    if not pq:
        return [needs(f"PQ with K={LARGEST}, or at least {LARGE}, in the sweep")]
    most = LARGEST if any(config.K == LARGEST for config in pq.values()) else max(c.K for c in pq.values())
    names = [name for name, config in pq.items() if most == config.K]
    means = evidence.fit("H_n").means
    lowest = min(names, key=lambda name: means.get(name, float("nan")))
    stands = "" if most == LARGEST else f", the largest in the sweep in place of {LARGEST}"
    compared = f"The lowest H_n of {len(names)} PQ with K={most}{stands}, less {EVEN}; {lowest}"
    result = estimated(evidence, "H_n", {lowest: 1.0})
    if result.interval is None:
        result = known(result.value)
    return [of_trainings(evidence, "H_n", compared, beyond(result, EVEN), [lowest], {lowest: lowest})]
