"""Claims of section 4.4 and Table 1: PQ beside what others published, and beside what this run trained itself."""

import math
from collections.abc import Callable, Container, Iterable, Mapping

from pqgan.metrics import METRICS
from pqgan.records import Measurement

from .. import wording
from . import cells
from .comparisons import better, beyond
from .contrasts import FAILS, HOLDS, comparable
from .evidence import ON, Evidence, Model
from .findings import Finding, beside, limited, needs, of_selected, tested
from .sweep import QUALITY, SMALL, finest, is_vq

FINE, COARSE, COARSEST = 8, 16, 32
"""Factors F of PQGAN in Table 1."""
GREY = 4
"""F that Table 1 prints in grey, as impractical."""
LEAST_GAIN = 9.0
"""dB that still count as the abstract's ten; our own."""
LEAST_SHARE = 0.95
"""Reduction that still counts as the abstract's 96 %; our own."""
KINDS = {max: "strongest", min: "weakest"}
RESIDUAL = "RQ-VAE"
"""What the paper compares its F=32 with."""


def beats_all(factor: int) -> Callable[[Evidence], list[Finding]]:
    """The selected PQ of a factor F less the best of all others by each metric, trained here and published."""

    def test(evidence: Evidence) -> list[Finding]:
        rivals = [name for name, config in evidence.designs.items() if config.kind == "kl" or is_vq(config)]
        words = f"by this metric the best of {len(rivals)} VQ and KL of any F"
        lines = cells.baselines(cells.table1(evidence.paper))
        return of_selected(
            evidence,
            [factor],
            lambda _, pq: [*_over_trained(evidence, pq, rivals, words), *_over_published(evidence, pq, lines)],
        )

    return test


def _over_trained(evidence: Evidence, pq: str, rivals: Iterable[str], words: str) -> list[Finding]:
    rivals = list(rivals)
    if not evidence.trains:
        return []
    if not rivals:
        return [needs("a VQ or KL autoencoder in the sweep or its baselines")]
    found = []
    for metric in QUALITY:
        best = finest(evidence, metric, rivals)
        shown = {"PQ": pq, "best other": best}
        found.append(tested(evidence, metric, f"{pq} against {best}, {words}", {pq: 1.0, best: -1.0}, shown))
    return found


def _over_published(evidence: Evidence, pq: str, lines: list[cells.Line]) -> list[Finding]:
    """Less the best published one that was measured; it holds only where the paper's strongest was."""
    found = []
    by_metric = {metric: rivals for metric in QUALITY if (rivals := [line for line in lines if line.has(metric)])}
    for metric, rivals in by_metric.items():
        values = measured(evidence, rivals, metric)
        own = evidence.value("evaluate", pq, metric, ON)
        if not values or own is None:
            continue
        best = max(values, key=lambda model: goodness(metric, values[model]))
        compared = f"{pq} against {best}, by this metric the best of {len(values)} published and measured"
        row = beside(metric, compared, better(metric, own, values[best]), {"PQ": own, str(best): values[best]})
        found.append(limited(row, missing(rivals, metric, values, max)))
    return found or [_none_of(by_metric, max)]


def _none_of(by_metric: Mapping[str, list[cells.Line]], extreme: Callable) -> Finding:
    """A row where no published tokenizer was measured."""
    ends = [model for metric, lines in by_metric.items() for model in _ends(lines, metric, extreme)]
    return needs(f"{wording.listed(ends)}, the {KINDS[extreme]} of those in Table 1")


def measured(evidence: Evidence, lines: Iterable[cells.Line], metric: str, on: str = ON) -> dict[Model, Measurement]:
    """What this run measured of some models of the paper's tables."""
    wanted = {line.model for line in lines}
    found = {}
    for name, model in evidence.published().items():
        value = evidence.value("evaluate", name, metric, on) if model in wanted else None
        if value is not None:
            found[model] = value
    return found


def goodness(metric: str, item: Measurement) -> float:
    """Larger where better; what is not finite comes last."""
    value = comparable(metric, item.value)
    return value if math.isfinite(value) else -math.inf


def _ends(lines: Iterable[cells.Line], metric: str, extreme: Callable) -> list[Model]:
    """The best (max) or worst (min) by the paper's cells."""
    lines = list(lines)
    end = extreme(line.goodness(metric) for line in lines)
    return [line.model for line in lines if line.goodness(metric) == end]


def missing(lines: Iterable[cells.Line], metric: str, there: Container[Model], extreme: Callable) -> str:
    """What is needed: the best or worst by the paper's cells, where it was not measured; empty where it was."""
    lacking = [model for model in _ends(lines, metric, extreme) if model not in there]
    kind = f"the {KINDS[extreme]} in the paper's {METRICS[metric].label}"
    return f"{wording.listed(lacking)}, {kind}" if lacking else ""


def ten_decibels(evidence: Evidence) -> list[Finding]:
    """The gain over the best published tokenizer that is not in grey, less what still counts as ten decibels."""
    lines = [line for line in cells.baselines(cells.table1(evidence.paper)) if line.model.F > GREY and line.has("psnr")]
    return [_beside_end(evidence, lines, "psnr", LEAST_GAIN, f"less {LEAST_GAIN:g} dB", max)]


def reductions(evidence: Evidence) -> list[Finding]:
    """The largest reduction from a published tokenizer of F=8, by each metric that is smaller where better."""
    lines = [line for line in cells.baselines(cells.table1(evidence.paper)) if line.model.F == FINE]
    words = f"less a reduction by {100 * LEAST_SHARE:.0f} %, to ×{1 - LEAST_SHARE:.2f}"
    by_metric = {metric: [line for line in lines if line.has(metric)] for metric in ("rfid", "cmmd", "lpips")}
    if not any(measured(evidence, rivals, metric) for metric, rivals in by_metric.items()):
        return [_none_of(by_metric, min)]
    bound = -math.log1p(-LEAST_SHARE)
    return [_beside_end(evidence, rivals, metric, bound, words, min) for metric, rivals in by_metric.items()]


def _beside_end(
    evidence: Evidence, lines: list[cells.Line], metric: str, bound: float, words: str, extreme: Callable
) -> Finding:
    """The selected PQ of F=8 less the best (max) or the worst (min) published tokenizer that was measured, and a bound.

    A gain must be over the paper's best; one reduction is enough, but where none is, the paper's worst must be there.
    """
    pq = evidence.selected(FINE)
    own = pq and evidence.value("evaluate", pq, metric, ON)
    values = measured(evidence, lines, metric)
    if not own:
        return needs(f"a selection for F={FINE}")
    if not values:
        return _none_of({metric: lines}, extreme)
    other = extreme(values, key=lambda model: goodness(metric, values[model]))
    kind = "best" if extreme is max else "worst"
    compared = f"{pq} against {other}, the {kind} of {len(values)} published and measured, {words}"
    result = beyond(better(metric, own, values[other]), bound)
    row = beside(metric, compared, result, {"PQ": own, str(other): values[other]})
    return limited(row, missing(lines, metric, values, extreme), HOLDS if extreme is max else FAILS)


def residual(evidence: Evidence) -> list[Finding]:
    """PQ of F=32 less RQ-VAE, whose weights nobody published for this F."""
    pq = [n for n, c in evidence.designs.items() if c.kind == "pq" and c.F == COARSEST and c.S > 1]
    lines = [
        line
        for line in cells.baselines(cells.table1(evidence.paper))
        if line.model.method == RESIDUAL and line.model.F == COARSEST
    ]
    if not pq or not measured(evidence, lines, "rfid"):
        lacking = f"PQ with F={COARSEST}" if not pq else f"{RESIDUAL} of F={COARSEST}, whose weights are not public"
        return [needs(lacking)]
    return _over_published(evidence, finest(evidence, "rfid", pq), lines)


def small_codebooks(evidence: Evidence) -> list[Finding]:
    """The selected PQ of each F, if its K is small, less the best quantised tokenizer of the same F and a larger K."""
    return of_selected(evidence, (FINE, COARSE), lambda factor, pq: _if_small(evidence, factor, pq))


def _if_small(evidence: Evidence, factor: int, pq: str) -> list[Finding]:
    K = evidence.designs[pq].K
    if K > SMALL:
        return [needs(f"a selected PQ of F={factor} with K up to {SMALL}; {pq} has more")]
    larger = [n for n, c in evidence.designs.items() if factor == c.F and is_vq(c) and c.K > K]
    quantised = [
        line
        for line in cells.baselines(cells.table1(evidence.paper))
        if factor == line.model.F and cells.is_quantised(line)
    ]
    most = max(line.model.K for line in quantised)
    lines = [line for line in quantised if most == line.model.K]
    words = f"by this metric the best of {len(larger)} VQ of F={factor} with more than K={K}"
    trained = _over_trained(evidence, pq, larger, words)
    if evidence.trains and not larger:
        trained = [needs(f"VQ of F={factor}, K above {K}")]
    return [*trained, *_over_published(evidence, pq, lines)]


def over_kl(evidence: Evidence) -> list[Finding]:
    """The selected PQ of each F with a KL autoencoder of the same trunk, less that autoencoder.

    Where nothing is trained, less the published autoencoder of the same framework and F.
    """
    if not evidence.trains:
        lines = [line for line in cells.baselines(cells.table1(evidence.paper)) if is_kl(line)]
        return of_selected(
            evidence,
            (FINE, COARSE),
            lambda factor, pq: _over_published(evidence, pq, [line for line in lines if factor == line.model.F]),
        )
    found = []
    for kl, config in evidence.designs.items():
        if config.kind != "kl":
            continue
        pq = evidence.selected(config.F)
        if pq is None:
            found.append(needs(f"a selection for F={config.F}, that of {kl}"))
        else:
            compared = f"{pq}, selected for F={config.F}, against {kl}"
            found += [
                tested(evidence, metric, compared, {pq: 1.0, kl: -1.0}, {"PQ": pq, "KL": kl}) for metric in QUALITY
            ]
    return found or [needs("a KL baseline")]


def is_kl(line: cells.Line) -> bool:
    """Of the VQGAN framework: section 4.4 counts the autoencoders of Stable Diffusion apart."""
    return line.latent == "KL" and line.model.method == "LDM VAE"
