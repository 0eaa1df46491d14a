"""One row of the table: a contrast or a comparison, tested, and what is missing where it could not be."""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

from pqgan.errors import DataError
from pqgan.metrics import METRICS, Metric
from pqgan.records import Measurement

from .. import formats, wording
from .comparisons import MARGIN
from .contrasts import HOLDS, OPEN, Coefficients, Estimate, settled, together
from .evidence import ON, Evidence

NO_NOISE = "too few second seeds"
NO_INTERVAL = "its records have no interval"
NOT_REACHED = "the collected run did not go that far"


@dataclass(frozen=True)
class Finding:
    """What was compared, what came out, and what is missing."""

    compared: str
    metric: str = formats.DASH
    means: str = formats.DASH
    difference: str = formats.DASH
    value: float | None = None
    """The number of `difference`."""
    seeds: str = formats.DASH
    """Trainings a configuration, or images, samples or repeats behind a value."""
    verdict: str = OPEN
    missing: str = ""


def needs(what: str) -> Finding:
    """A row of what the scale does not have."""
    return Finding("Nothing to compare", missing=f"needs {what}")


def absent(evidence: Evidence, chapter: str, what: str) -> Finding:
    """A row of what the scale does not have, or the collected run did not come to."""
    return needs(what) if evidence.reached(chapter) else Finding("Nothing to compare", missing=NOT_REACHED)


def of_selected(
    evidence: Evidence, factors: Iterable[int], findings: Callable[[int, str], Iterable[Finding]]
) -> list[Finding]:
    """Rows about the selected PQ of each factor F, or what is needed for want of one.

    Args:
        findings: of a factor and the name of its selected PQ.
    """
    found: list[Finding] = []
    for factor in factors:
        pq = evidence.selected(factor)
        found += [needs(f"a selection for F={factor}")] if pq is None else findings(factor, pq)
    return found


def limited(found: Finding, missing: str, of: str = HOLDS) -> Finding:
    """The same, but open where something is missing without which it does not come to a verdict (to hold)."""
    if not missing or found.verdict != of:
        return found
    return replace(found, verdict=OPEN, missing=f"needs {missing}")


def tested(
    evidence: Evidence,
    metric: str,
    compared: str,
    coefficients: Coefficients,
    shown: Mapping[str, str | Iterable[str]],
) -> Finding:
    """A contrast of configurations.

    Args:
        coefficients: configuration -> factor, positive where more is in favour of the claim.
        shown: label -> configuration whose value stands behind it, or several, whose mean does.

    Raises:
        DataError: a configuration was evaluated without the metric.
    """
    return of_trainings(evidence, metric, compared, estimated(evidence, metric, coefficients), coefficients, shown)


def estimated(evidence: Evidence, metric: str, coefficients: Coefficients) -> Estimate:
    """A contrast and its interval.

    Raises:
        DataError: a configuration was evaluated without the metric.
    """
    _require(evidence, metric, coefficients)
    return evidence.fit(metric).estimate(coefficients)


def of_trainings(
    evidence: Evidence,
    metric: str,
    compared: str,
    result: Estimate,
    names: Iterable[str],
    shown: Mapping[str, str | Iterable[str]],
) -> Finding:
    """A row of what came out of some configurations' trainings; arguments as of `tested`."""
    names = list(names)
    of_label = {label: [value] if isinstance(value, str) else list(value) for label, value in shown.items()}
    _require(evidence, metric, [*names, *(name for values in of_label.values() for name in values)])
    measured, fit = evidence.measurements(metric), evidence.fit(metric)
    broken = [name for name in names if not math.isfinite(fit.means[name])]
    counts = sorted({len(measured[name]) for name in names})
    missing = "" if result.interval else NO_NOISE
    if broken:
        missing = f"{wording.listed(broken)} has no finite {METRICS[metric].label}"
    return Finding(
        compared,
        title(metric),
        "; ".join(f"{label}: {number(metric, evidence.mean(metric, values))}" for label, values in of_label.items()),
        difference(metric, result),
        effect(metric, result.value),
        " to ".join(map(str, dict.fromkeys((counts[0], counts[-1])))),
        result.verdict,
        missing,
    )


def _require(evidence: Evidence, metric: str, names: Iterable[str]) -> None:
    for name in names:
        if name not in evidence.measurements(metric):
            raise DataError(
                f"evaluate/{name}: no headline {metric!r} on {ON}; expected one; delete the folder and evaluate again"
            )


def beside(metric: str, compared: str, result: Estimate, shown: Mapping[str, Measurement]) -> Finding:
    """A comparison of measured values.

    Args:
        shown: label -> value behind it.
    """
    return every(
        metric,
        compared,
        [result],
        "; ".join(f"{label}: {number(metric, item.value)}" for label, item in shown.items()),
        shown.values(),
    )


def every(
    metric: str, compared: str, results: Iterable[Estimate], means: str, behind: Iterable[Measurement]
) -> Finding:
    """Comparisons that must all hold, in one row; the difference is that of the least."""
    results = list(results)
    least = min(results, key=lambda result: result.value if math.isfinite(result.value) else -math.inf)
    broken = not all(math.isfinite(result.value) for result in results)
    missing = "" if all(result.interval for result in results) else NO_INTERVAL
    return Finding(
        compared,
        title(metric),
        means,
        difference(metric, least),
        effect(metric, least.value) if math.isfinite(least.value) else None,
        f"n = {wording.counts(behind)}",
        together(result.verdict for result in results),
        "a value is no finite number" if broken else missing,
    )


def title(metric: str) -> str:
    """PSNR [dB]."""
    about = METRICS[metric]
    unit = f" [{about.unit}]" if about.unit and not about.ratio else ""
    return f"{METRICS[metric].label}{unit}"


def number(metric: str, value: float) -> str:
    """A value, with as many digits as the metric bears."""
    return percent(value) if METRICS[metric].share == "percent" else formats.metric(metric, value)


def _about(metric: str | None) -> Metric:
    """What is known of a metric; nothing of a number that is of none."""
    return METRICS[metric] if metric else Metric("")


def percent(share: float) -> str:
    """12 %, 4.2 %."""
    return f"{formats.fixed(100 * share, 1).removesuffix('.0')} %"


def effect(metric: str | None, value: float) -> float:
    """A difference as it is printed: a ratio where logarithms were compared."""
    if _about(metric).share == "percent":
        return 100 * value
    if not _about(metric).ratio:
        return value
    try:
        return settled(math.exp(value))
    except OverflowError:
        return math.inf


def difference(metric: str | None, result: Estimate) -> str:
    """+0.43 [+0.21, +0.65], as a ratio ×1.13 [×1.02, ×1.25] or ×1.13 ± 5 %; no interval where there is none."""
    if not math.isfinite(result.value):
        return formats.DASH
    unit = " points" if _about(metric).share == "percent" else ""
    value = _signed(metric, result.value)
    if result.interval is None:
        return f"{value}{unit}"
    if result.assumed and _about(metric).ratio:
        return f"{value} ± {percent(MARGIN)}"
    if result.assumed:
        half = max(abs(bound - result.value) for bound in result.interval)
        return f"{value} ± {_signed(metric, half).removeprefix('+')}{unit}"
    low, high = (_signed(metric, bound) for bound in result.interval)
    return f"{value} [{low}, {high}]{unit}"


def _signed(metric: str | None, value: float) -> str:
    if _about(metric).ratio:
        return f"×{formats.significant(effect(metric, value), 3)}"
    places = 1 if _about(metric).share == "percent" else 2 if _about(metric).unit else 3
    return f"{'+' if value > 0 else ''}{formats.fixed(effect(metric, value), places)}"
