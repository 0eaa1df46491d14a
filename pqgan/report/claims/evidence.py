"""What claims are tested with: trainings measured on the validation set, the selections, the matching bench."""

from functools import cached_property

from pqgan.plan import Plan
from pqgan.records import Measurement, Record
from pqgan.settings.tokenizer import Configuration

from ..results import Results
from .contrasts import Fit, comparable, printed

ON = "val"


class Evidence:
    """Measurements of the planned configurations, each with its replicates, under the name without seed.

    Args:
        results: of the jobs that `contents.inputs(plan, "table_claims")` names.
    """

    def __init__(self, plan: Plan, results: Results):
        section = plan.settings.scale.tokenizer
        self.designs: dict[str, Configuration] = section.designs
        self.trainings: dict[str, dict[int, str]] = {name: {} for name in self.designs}
        for name, config in section.configs.items():
            seed = plan.settings.scale.seed if config.seed is None else config.seed
            self.trainings[config.design][seed] = name
        self.best = plan.settings.reading.best
        self._factors = plan.settings.scale.selection.factors
        self._results = results
        self._found: dict[str, dict[str, dict[int, Measurement]]] = {}
        self._fits: dict[str, Fit] = {}

    def measurements(self, metric: str) -> dict[str, dict[int, Measurement]]:
        """Of each configuration that has the metric on the validation set, one a seed."""
        if metric not in self._found:
            self._found[metric] = {}
            for design, names in self.trainings.items():
                found = {
                    seed: self._results.record("evaluate", name).get(metric, on=ON) for seed, name in names.items()
                }
                if kept := {seed: item for seed, item in found.items() if item is not None}:
                    self._found[metric][design] = kept
        return self._found[metric]

    def fit(self, metric: str) -> Fit:
        """Of the values as they are compared: larger is better, ratios as logarithms."""
        if metric not in self._fits:
            self._fits[metric] = Fit(
                {
                    name: {seed: comparable(metric, item.value) for seed, item in items.items()}
                    for name, items in self.measurements(metric).items()
                }
            )
        return self._fits[metric]

    def mean(self, metric: str, name: str) -> float:
        """As it is printed."""
        return printed(metric, self.fit(metric).means[name])

    def seeds(self, name: str) -> int:
        return len(self.trainings[name])

    def selected(self, factor: int) -> str | None:
        """The configuration of a factor F that the selection chose; None where it has none."""
        return self._results.selected(factor)["run"] if factor in self._factors else None

    @cached_property
    def matching(self) -> Record:
        return self._results.record("matching", "matching")

    @property
    def metrics(self) -> list[str]:
        """Those that were asked for so far."""
        return list(self._found)

    @property
    def behind(self) -> list[Measurement]:
        """All measurements of the configurations that were asked for so far."""
        return [item for found in self._found.values() for items in found.values() for item in items.values()]
