"""One scale of the pipeline, and the whole of params.yaml."""

from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from .base import Count, PositiveInt, Section
from .data import DataSection
from .diffusion import AdaptSection, LDMSection
from .evaluation import EvaluationSection, MatchingBench, SpeedBench
from .readings import Reading
from .tokenizer import FinetuneSection, PQConfig, Selection, TokenizerSection


class Hardware(Section):
    """What a job may use; never part of a result's address."""

    accelerator: Literal["cpu", "cuda", "auto"]
    gpus: Count
    """Devices of a training job."""
    processes: PositiveInt = 1
    """Processes of a training job on a CPU; on GPUs there is one a GPU."""
    evaluation_devices: PositiveInt = 1
    """Devices of an evaluation, GPUs or processes on a CPU; each takes its share of the images."""
    cpus: PositiveInt
    """Cores of a job, and its threads on a CPU."""
    workers: Count
    """Data loader processes a device."""
    compile: bool = False
    """Whether networks are compiled (torch.compile): minutes before the first update, faster ones after."""
    channels_last: bool = False
    """Whether convolutions keep channels innermost in memory: faster on GPUs in half precision."""
    mem_mb: PositiveInt
    runtime: PositiveInt
    """Minutes a training job may take."""
    runtime_short: PositiveInt
    """Minutes any other job may take."""


class Upkeep(Section):
    """How a training is kept and watched; never part of a result's address."""

    checkpoint_every: PositiveInt
    """Updates between two checkpoints."""
    checkpoints_kept: Annotated[int, Field(ge=2, strict=True)]
    """At least two: a damaged one must not be the last."""
    pictures_every: PositiveInt
    """Updates between two sets of reconstructions in TensorBoard."""
    pictures: PositiveInt
    """Reconstructions in a set."""


class Scale(Section):
    """Everything that one scale is made of."""

    seed: Count
    reading: str
    """Name of an entry of readings."""
    overrides: dict[str, Any] = Field(default_factory=dict)
    """Values of the reading that this scale changes; same shape as an entry of readings."""
    hardware: Hardware
    upkeep: Upkeep
    data: DataSection
    tokenizer: TokenizerSection
    selection: Selection
    finetune: FinetuneSection
    adapt: AdaptSection
    ldm: LDMSection
    evaluation: EvaluationSection
    matching: MatchingBench
    speed: SpeedBench

    @model_validator(mode="after")
    def _names_resolve(self) -> "Scale":
        uses = {
            "tokenizer.data": self.tokenizer.data,
            "finetune.data": self.finetune.data,
            "adapt.data": self.adapt.data,
            "ldm.data": self.ldm.data,
            "ldm.reference": self.ldm.reference,
            "evaluation.data": self.evaluation.data,
            "evaluation.finetune_data": self.evaluation.finetune_data,
            **{f"evaluation.transfer.{name}": used for name, used in self.evaluation.transfer.items()},
        }
        for key, used in uses.items():
            if used not in self.data.sets:
                raise ValueError(f"{key} is {used!r}; allowed: {', '.join(self.data.sets)}")
        factors = set(self.selection.factors)
        for name, variant in self.adapt.variants.items():
            if variant.F not in factors:
                raise ValueError(f"adapt.variants.{name}.F is {variant.F}; allowed: {sorted(factors)}, the selected")
        known = [f"selected-{factor}" for factor in self.selection.factors] + [
            "backbone-vae",
            *self.tokenizer.configs,
        ]
        for name, latent in self.ldm.latents.items():
            if latent.tokenizer not in known:
                raise ValueError(
                    f"ldm.latents.{name}.tokenizer is {latent.tokenizer!r}; allowed: {', '.join(known[:4])}, "
                    "or a configuration of the sweep or its baselines"
                )
        return self


class Params(Section):
    """params.yaml."""

    scale: str
    """The scale that is run where none is named."""
    readings: dict[str, Reading]
    scales: dict[str, Scale]

    @field_validator("scales", mode="before")
    @classmethod
    def _scales_is_a_mapping(cls, value):
        if not isinstance(value, dict) or not value:
            raise ValueError("allowed: a mapping of scale names to their settings")
        return value


class Settings(Section):
    """A scale with its reading resolved: what every job is derived from."""

    name: str
    """Of the scale."""
    reading_name: str
    reading: Reading
    scale: Scale

    @model_validator(mode="after")
    def _named_best_is_in_the_sweep(self) -> "Settings":
        if self.scale.selection.mode == "named":
            configs = self.scale.tokenizer.configs
            for factor in self.scale.selection.factors:
                best = self.reading.best.get(factor)
                if not isinstance(configs.get(best), PQConfig) or factor != configs[best].F:
                    raise ValueError(
                        f"reading.best.{factor} is {best!r}; allowed: a configuration of the sweep with F={factor}"
                    )
        return self

    def expected(self, factor: int) -> PQConfig:
        """The tokenizer that goes on from a factor F; where it is yet to be measured, the one with most channels."""
        configs = self.scale.tokenizer.configs
        if self.scale.selection.mode == "named":
            return configs[self.reading.best[factor]]
        candidates = [config for config in configs.values() if isinstance(config, PQConfig) and factor == config.F]
        return max(candidates, key=lambda config: (config.d, config.K))
