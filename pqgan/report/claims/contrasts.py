"""Linear contrasts of configurations, with t intervals from least squares over all trainings.

The model is a two-way layout without interaction: value = configuration + seed + normal noise of one size (Scheffé, The
Analysis of Variance, 1959, chapter 4). A seed is a block: its trainings see the same images in the same order and begin
with the same weights where their shapes agree, so that a lucky or unlucky one moves them all.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from pqgan.metrics import METRICS

HOLDS, FAILS, OPEN = "holds", "does not hold", "not resolved at this scale"
CONFIDENCE = 0.95
ROUNDING = 1e-9
"""Differences below this are what floating point leaves of equal values."""
DIGITS = 9
"""Significant digits that least squares has on every processor; the order of its sums decides the rest."""

Coefficients = Mapping[str, float]
"""Configuration -> its factor in the sum."""
Samples = Mapping[str, Mapping[int, float]]
"""Configuration -> seed -> value, larger where better."""


@dataclass(frozen=True)
class Estimate:
    """A difference; positive is in favour of the claim."""

    value: float
    interval: tuple[float, float] | None
    """At CONFIDENCE; None where nothing says how large the noise is."""
    assumed: bool = False
    """Whether the interval is the margin of comparisons.MARGIN instead, as nothing was measured of it."""

    @property
    def verdict(self) -> str:
        """What the interval says; a bound at zero, or one that is no number, says nothing."""
        if self.interval is None or not all(map(math.isfinite, (self.value, *self.interval))):
            return OPEN
        low, high = self.interval
        return HOLDS if low > ROUNDING else FAILS if high < -ROUNDING else OPEN


def comparable(metric: str, value: float) -> float:
    """The number whose differences are looked at, larger if better; nan if a ratio is asked of what is not positive."""
    about = METRICS[metric]
    if not about.ratio:
        return value
    return _sign(metric) * math.log(value) if 0 < value < math.inf else math.nan


def printed(metric: str, value: float) -> float:
    """The inverse of `comparable`: of a mean of logarithms, the geometric mean."""
    return math.exp(_sign(metric) * value) if METRICS[metric].ratio else value


def _sign(metric: str) -> int:
    return -1 if METRICS[metric].better == "down" else 1


def settled(value: float) -> float:
    """A fitted number without the digits in which processors differ, so that it prints the same everywhere."""
    return 0.0 if abs(value) < ROUNDING else float(f"{value:.{DIGITS - 1}e}")


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


class Fit:
    """Least squares of configuration + seed over every training.

    Args:
        samples: a configuration with a value that is not finite takes no part.

    Attributes:
        means: configuration -> its value at the seed that most trainings have; nan where it takes no part.
        deviation: s, of one training; nan where nothing is left to tell it from.
        freedom: its degrees of freedom.
    """

    def __init__(self, samples: Samples):
        # numpy and scipy take a third of a second, which only this table has to pay
        import numpy as np

        finite = {name: runs for name, runs in samples.items() if all(map(math.isfinite, runs.values()))}
        trainings = [(name, seed, value) for name, runs in finite.items() for seed, value in runs.items()]
        seeds = [seed for _, seed, _ in trainings]
        # the most frequent seed is where all others are measured from
        blocks = sorted(set(seeds), key=lambda seed: (-seeds.count(seed), seed))[1:]
        self._columns = {key: place for place, key in enumerate([*finite, *blocks])}
        design = np.zeros((len(trainings), len(self._columns)))
        for row, (name, seed, _) in enumerate(trainings):
            design[row, self._columns[name]] = 1
            if seed in self._columns:
                design[row, self._columns[seed]] = 1
        values = np.array([value for *_, value in trainings])
        self._covariance = np.linalg.pinv(design.T @ design)
        effects = self._covariance @ design.T @ values
        self._effects = {name: float(effects[self._columns[name]]) if name in finite else math.nan for name in samples}
        self.means = {name: settled(effect) for name, effect in self._effects.items()}
        self.freedom = len(trainings) - int(np.linalg.matrix_rank(design)) if trainings else 0
        squares = float(((values - design @ effects) ** 2).sum())
        self.deviation = settled(math.sqrt(squares / self.freedom)) if self.freedom else math.nan

    def estimate(self, coefficients: Coefficients) -> Estimate:
        """A contrast c and its interval, plus or minus t s sqrt(c' (X'X)^-1 c), X saying who has which seed."""
        value = sum(c * self._effects[name] for name, c in coefficients.items())
        if not self.freedom or not math.isfinite(value):
            return Estimate(settled(value), None)
        import numpy as np
        from scipy.special import stdtrit

        vector = np.zeros(len(self._columns))
        for name, c in coefficients.items():
            vector[self._columns[name]] = c
        t = float(stdtrit(self.freedom, (1 + CONFIDENCE) / 2))
        half = t * self.deviation * math.sqrt(float(vector @ self._covariance @ vector))
        return Estimate(settled(value), (settled(value - half), settled(value + half)))


def together(verdicts: Iterable[str]) -> str:
    """Of a claim: it holds where all its contrasts do, and does not where one does not."""
    found = set(verdicts)
    return FAILS if FAILS in found else HOLDS if found == {HOLDS} else OPEN
