"""What claims are tested with: trainings on the validation set, and the records of every other chapter."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

from pqgan.baselines import PUBLISHED
from pqgan.plan import Plan
from pqgan.records import Measurement, Record
from pqgan.settings import PQConfig
from pqgan.settings.configurations import Configuration
from pqgan.settings.evaluation import is_of_the_authors
from pqgan.settings.names import BACKBONE_VAE

from ..results import Results
from .contrasts import Fit, comparable, printed

ON = "val"
SD_VAE = "SDv2.1 VAE"
"""What Tables 1 and 2 call the autoencoder of a published backbone."""

Network = Literal["trunk", "path", "linear"]
"""Of product quantisers: the scale's trunk, the linear path of with_shortcut, or principal components alone."""

Rows = Callable[[str], list[dict[str, str]]]
"""table1, ... -> the paper's rows."""


@dataclass(frozen=True)
class Model:
    """A published tokenizer, as Table 1 tells it from others."""

    method: str
    F: int
    K: int | None

    def __str__(self) -> str:
        return f"{self.method} F={self.F}"


class Evidence:
    """Measurements of the planned trainings, each with its replicates, under the name without seed.

    Args:
        results: of the jobs that `contents.inputs(plan, "table_claims")` names.
        paper: the paper's own tables.
        network: of product quantisers; KL autoencoders and VQGANs are on the trunk, and no part of the others.
    """

    def __init__(self, plan: Plan, results: Results, paper: Rows, network: Network = "trunk"):
        self.plan, self.settings, self.paper, self.network = plan, plan.settings, paper, network
        configs = plan.settings.scale.tokenizer.configs
        tested = {name: config for name, config in configs.items() if _takes_part(config, network)}
        if network != "trunk":  # a collection may not have come to all that is planned beside the trunk
            tested = {name: config for name, config in tested.items() if results.has("evaluate", name)}
            tested = {name: config for name, config in tested.items() if network == "linear" or config.design in tested}
        self.designs: dict[str, Configuration] = {n: _as_pq(c) for n, c in tested.items() if c.seed is None}
        self.trainings: dict[str, dict[int, str]] = {name: {} for name in self.designs}
        for name, config in tested.items():
            seed = plan.settings.scale.seed if config.seed is None else config.seed
            self.trainings[config.design][seed] = name
        # where nothing is trained and selected, the authors' own tokenizers are what is tested
        self._released = {PUBLISHED[n].F: n for n in plan.settings.scale.compared_as_published if network == "trunk"}
        for name in self._released.values():
            about = PUBLISHED[name]
            self.designs[name] = PQConfig(F=about.F, d=about.d, S=about.S, K=about.K)
            self.trainings[name] = {plan.settings.scale.seed: name}
        self.best = plan.settings.reading.best
        self.beside: list[Measurement] = []
        """What was asked for one by one."""
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

    def mean(self, metric: str, names: Iterable[str]) -> float:
        """Of some configurations, as it is printed."""
        means = [self.fit(metric).means[name] for name in names]
        return printed(metric, sum(means) / len(means))

    def seeds(self, name: str) -> int:
        """Trainings that are planned, so that a collection that lacks some is tested on the same lines."""
        return sum(config.design == name for config in self.settings.scale.tokenizer.configs.values())

    def selected(self, factor: int) -> str | None:
        """The configuration of a factor F that the selection chose, with this network; None where there is none.

        Where nothing is selected at all, the authors' published one.
        """
        factors = self.settings.scale.selection.factors
        if factor not in factors:
            return self._released.get(factor)
        run = self._results.selected(factor).run
        return run if self.network == "trunk" else self.named(self.settings.scale.tokenizer.configs[run])

    def named(self, like: PQConfig, **changed: int) -> str | None:
        """The product quantiser with the F, d, S and K of another, some of them changed; None where there is none."""
        wanted = {key: changed.get(key, getattr(like, key)) for key in ("F", "d", "S", "K")}
        for name, config in self.designs.items():
            if config.kind == "pq" and all(getattr(config, key) == value for key, value in wanted.items()):
                return name
        return None

    def reached(self, chapter: str) -> bool:
        """Whether everything that is planned of a chapter is there."""
        return all(self._results.has(chapter, name) for name in self.plan.chapter(chapter))

    def record(self, chapter: str, name: str) -> Record | None:
        """None where it is not planned, or the collected run did not come to it."""
        return self._results.record(chapter, name) if self._results.has(chapter, name) else None

    def value(self, chapter: str, name: str, metric: str, on: str | None = None) -> Measurement | None:
        """The headline value of a metric; None where there is none."""
        record = self.record(chapter, name)
        found = record and record.get(metric, on=on)
        return self.use(found) if found else None

    def use(self, measurement: Measurement) -> Measurement:
        """The same; the caption names its protocol."""
        if not any(measurement is used for used in self.beside):
            self.beside.append(measurement)
        return measurement

    def published(self) -> dict[str, Model]:
        """Published tokenizers of others that were measured; the backbone's own too, where it is a published one."""
        found = {}
        for name in self.settings.scale.evaluation.published:
            if is_of_the_authors(name):
                continue  # PQGAN is no rival of itself
            subject = self._results.record("evaluate", name).subject
            if subject.get("method"):
                found[name] = Model(subject["method"], subject["F"], subject.get("K"))
        backbone = self.record("evaluate", BACKBONE_VAE)
        if backbone and self.backbone_is_published:
            found[BACKBONE_VAE] = Model(SD_VAE, backbone.subject["F"], None)
        return found

    @property
    def trains(self) -> bool:
        """Whether the scale trains anything; linear tokenizers are fitted."""
        return self.settings.scale.tokenizer.training is not None

    @property
    def backbone_is_published(self) -> bool:
        """Whether it is Stable Diffusion 2.1: what else a hub has is not the paper's."""
        adapt = self.settings.scale.adapt
        return adapt is not None and adapt.backbone.published_vae is not None

    @property
    def matching(self) -> Record:
        return self._results.record("matching", "matching")

    @property
    def metrics(self) -> list[str]:
        """Those that were asked for so far, of all trainings."""
        return list(self._found)

    @property
    def behind(self) -> list[Measurement]:
        """All measurements of the configurations that were asked for so far."""
        return [item for found in self._found.values() for items in found.values() for item in items.values()]


def _takes_part(config: Configuration, network: Network) -> bool:
    if config.kind == "pq":
        return network == ("path" if config.path else "trunk")
    if config.kind == "linear":
        # no quantiser of the paper's, and the noise of trainings is not theirs
        return network == "linear" and config.seed is None
    # on the trunk alone; of other quantisers the paper claims nothing
    return network == "trunk" and config.kind in ("kl", "vqgan")


def _as_pq(config: Configuration) -> Configuration:
    """A linear tokenizer in the place of the product quantiser of its F, d, S and K."""
    return PQConfig(**config.model_dump(include={"F", "d", "S", "K"})) if config.kind == "linear" else config
