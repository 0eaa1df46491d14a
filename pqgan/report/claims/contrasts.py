"""Linear contrasts of means over seeds, with t intervals from one pooled standard deviation.

The model is one-way analysis of variance: trainings of one configuration differ by their seed alone, by a normal noise
whose size all configurations share (Scheffé, The Analysis of Variance, 1959, chapter 3).
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

HOLDS, FAILS, OPEN = "holds", "does not hold", "not resolved at this scale"
CONFIDENCE = 0.95
ROUNDING = 1e-9
"""Differences below this are what floating point leaves of equal values."""
RATIO_SCALE = ("rfid", "lpips", "cmmd")
"""Metrics that are positive, smaller where better, and compared as natural logarithms."""

Coefficients = Mapping[str, float]
"""Configuration -> its factor in the sum."""
Samples = Mapping[str, Sequence[float]]
"""Configuration -> a value for each seed, larger where better."""


@dataclass(frozen=True)
class Noise:
    """How far apart trainings of one configuration lie."""

    deviation: float
    """Pooled standard deviation."""
    freedom: int
    """Its degrees of freedom."""


@dataclass(frozen=True)
class Estimate:
    """A difference; positive is in favour of the claim."""

    value: float
    interval: tuple[float, float] | None
    """At CONFIDENCE; None where nothing says how large the noise is."""

    @property
    def verdict(self) -> str:
        """What the interval says; a bound at zero, or one that is no number, says nothing."""
        if self.interval is None or not all(map(math.isfinite, (self.value, *self.interval))):
            return OPEN
        low, high = self.interval
        return HOLDS if low > ROUNDING else FAILS if high < -ROUNDING else OPEN


def comparable(metric: str, value: float) -> float:
    """The number whose differences are looked at; nan where a ratio is asked of what is not positive."""
    if metric not in RATIO_SCALE:
        return value
    return -math.log(value) if 0 < value < math.inf else math.nan


def printed(metric: str, value: float) -> float:
    """The inverse of `comparable`: of a mean of logarithms, the geometric mean."""
    return math.exp(-value) if metric in RATIO_SCALE else value


def slope(numbers: Mapping[str, float]) -> dict[str, float]:
    """Coefficients whose sum is the least-squares slope of a configuration's mean over log2 of its number.

    Args:
        numbers: configuration -> what is varied; at least two different ones.
    """
    logarithms = {name: math.log2(number) for name, number in numbers.items()}
    middle = sum(logarithms.values()) / len(logarithms)
    spread = sum((x - middle) ** 2 for x in logarithms.values())
    return {name: (x - middle) / spread for name, x in logarithms.items()}


def combined(*terms: tuple[float, Coefficients]) -> dict[str, float]:
    """Sum of contrasts, each with its factor; a configuration may stand in several."""
    total: dict[str, float] = {}
    for factor, coefficients in terms:
        for name, coefficient in coefficients.items():
            total[name] = total.get(name, 0.0) + factor * coefficient
    return total


def pooled_noise(samples: Iterable[Sequence[float]]) -> Noise | None:
    """From the samples with two or more values, all of them finite; None where there is no such."""
    repeated = [values for values in samples if len(values) > 1 and all(map(math.isfinite, values))]
    freedom = sum(len(values) - 1 for values in repeated)
    if not freedom:
        return None
    squares = sum((value - _mean(values)) ** 2 for values in repeated for value in values)
    return Noise(math.sqrt(squares / freedom), freedom)


def estimate(coefficients: Coefficients, samples: Samples, noise: Noise | None) -> Estimate:
    """A contrast of means, and its interval: value +- t sqrt(sum c^2 / n) s."""
    value = sum(c * _mean(samples[name]) for name, c in coefficients.items())
    if noise is None:
        return Estimate(value, None)
    # scipy takes a fifth of a second, which only this table has to pay
    from scipy.special import stdtrit

    t = float(stdtrit(noise.freedom, (1 + CONFIDENCE) / 2))
    half = t * noise.deviation * math.sqrt(sum(c * c / len(samples[name]) for name, c in coefficients.items()))
    return Estimate(value, (value - half, value + half))


def together(verdicts: Iterable[str]) -> str:
    """Of a claim: it holds where all its contrasts do, and does not where one does not."""
    found = set(verdicts)
    return FAILS if FAILS in found else HOLDS if found == {HOLDS} else OPEN


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
