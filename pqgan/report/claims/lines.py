"""Planned configurations that differ in one number only, and which of several such lines a claim is tested on."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from pqgan.settings import PQConfig

from .evidence import Evidence

RULE = (
    "Where several lines of the sweep qualify, the one with most configurations is taken; of those the one with most "
    "trainings, then the nearest to the configuration that the reading calls best, then the smallest F, d, S and K."
)


@dataclass(frozen=True)
class Line:
    """Configurations along one number, in its order."""

    fixed: dict[str, int]
    """What they share, of F, d, S and K."""
    points: dict[int, str]
    """The varied number -> the configuration's name."""
    note: str = ""
    """What else they have in common, in words."""

    @property
    def names(self) -> list[str]:
        return list(self.points.values())

    @property
    def where(self) -> str:
        """F=8, K=512, S=d/2."""
        return ", ".join([*(f"{key}={value}" for key, value in self.fixed.items()), *filter(None, [self.note])])


def lines(
    evidence: Evidence,
    varied: str,
    keep: Callable[[PQConfig], bool] = lambda config: True,
    *,
    tied: str = "",
    note: str = "",
) -> list[Line]:
    """Lines of two or more configurations of the sweep, along d, S or K.

    Args:
        keep: which configurations take part.
        tied: a number that changes with the varied one, S where it is d/2.
        note: that it does, in words.
    """
    found: dict[tuple[int, ...], dict[int, str]] = {}
    shared = [key for key in ("F", "d", "S", "K") if key not in (varied, tied)]
    for name, config in evidence.designs.items():
        if config.kind == "pq" and keep(config):
            place = tuple(getattr(config, key) for key in shared)
            found.setdefault(place, {})[getattr(config, varied)] = name
    made = (Line(dict(zip(shared, place, strict=True)), dict(sorted(p.items())), note) for place, p in found.items())
    return [line for line in made if len(line.points) > 1]


def chosen(evidence: Evidence, candidates: Iterable[Line]) -> Line | None:
    """The line that RULE says; None where there is none."""
    return min(candidates, key=lambda line: _rank(evidence, line), default=None)


def nearest(evidence: Evidence, factor: int, key: str, numbers: Iterable[int]) -> int:
    """Of some values of a number, the best configuration's; the smallest where it is not among them."""
    best = evidence.best.get(factor, "").split("-")
    return min(numbers, key=lambda number: (f"{key}{number}" not in best, number))


def _rank(evidence: Evidence, line: Line) -> tuple:
    best = evidence.best.get(line.fixed["F"], "").split("-")
    in_common = sum(f"{key}{value}" in best for key, value in line.fixed.items() if key != "F")
    trainings = sum(map(evidence.seeds, line.names))
    return -len(line.points), -trainings, -in_common, tuple(line.fixed.values())
