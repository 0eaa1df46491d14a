"""One contrast, tested: what a row of the table says."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from pqgan.errors import DataError

from .. import formats, wording
from .contrasts import OPEN, RATIO_SCALE, ROUNDING, Coefficients, Estimate
from .evidence import ON, Evidence

UNITS = {"psnr": "dB"}
NO_NOISE = "too few second seeds"


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
    verdict: str = OPEN
    missing: str = ""


def tested(
    evidence: Evidence, metric: str, compared: str, coefficients: Coefficients, shown: Mapping[str, str]
) -> Finding:
    """A contrast of configurations.

    Args:
        coefficients: configuration -> factor, positive where more is in favour of the claim.
        shown: label -> configuration, whose value stands behind it.

    Raises:
        DataError: a configuration was evaluated without the metric.
    """
    measured, fit = evidence.measurements(metric), evidence.fit(metric)
    for name in (*coefficients, *shown.values()):
        if name not in measured:
            raise DataError(
                f"evaluate/{name}: no headline {metric!r} on {ON}; expected one; delete the folder and evaluate again"
            )
    broken = [name for name in coefficients if not math.isfinite(fit.means[name])]
    result = fit.estimate(coefficients)
    counts = sorted({len(measured[name]) for name in coefficients})
    missing = "" if fit.freedom else NO_NOISE
    if broken:
        missing = f"{wording.listed(broken)} has no finite {wording.NAMES[metric]}"
    return Finding(
        compared,
        title(metric),
        "; ".join(f"{label}: {number(metric, evidence.mean(metric, name))}" for label, name in shown.items()),
        difference(metric, result),
        effect(metric, result.value),
        " to ".join(map(str, dict.fromkeys((counts[0], counts[-1])))),
        result.verdict,
        missing,
    )


def title(metric: str) -> str:
    """PSNR [dB]."""
    unit = f" [{UNITS[metric]}]" if metric in UNITS else ""
    return f"{wording.NAMES[metric]}{unit}"


def number(metric: str, value: float) -> str:
    """A mean, with as many digits as the metric bears."""
    return formats.fixed(value, 3) if metric in ("H_n", "P_n") else formats.metric(metric, value)


def effect(metric: str, value: float) -> float:
    """A difference as it is printed: a ratio where logarithms were compared."""
    if metric not in RATIO_SCALE:
        return value
    try:
        return math.exp(value)
    except OverflowError:
        return math.inf


def difference(metric: str, result: Estimate) -> str:
    """+0.43 [+0.21, +0.65], or as a ratio ×1.13 [×1.02, ×1.25]; the interval left out where there is none."""
    if not math.isfinite(result.value):
        return formats.DASH
    value = _signed(metric, result.value)
    if result.interval is None:
        return value
    low, high = (_signed(metric, bound) for bound in result.interval)
    return f"{value} [{low}, {high}]"


def _signed(metric: str, value: float) -> str:
    if metric in RATIO_SCALE:
        return f"×{formats.significant(effect(metric, value), 3)}"
    value = 0.0 if abs(value) < ROUNDING else value
    return f"{'+' if value > 0 else ''}{formats.fixed(value, 2 if metric in UNITS else 3)}"
