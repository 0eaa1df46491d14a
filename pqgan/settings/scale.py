"""One scale of the pipeline, and the whole of params.yaml."""

from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from . import shares, sides
from .base import MOST, PositiveInt, Section, Seed
from .configurations import PQConfig
from .data import DataSection
from .diffusion import AdaptSection, Latent, LDMSection, Variant
from .evaluation import EvaluationSection, MatchingBench, SpeedBench, is_continuous, is_of_the_authors
from .hardware import Hardware
from .names import BACKBONE_VAE, DOUBLE, SELECTED, VALIDATION, Name, Named, shown
from .readings import MetricsReading, Reading
from .tokenizer import FinetuneSection, Selection, TokenizerSection


class Versions(Section):
    """Of the code, by what it makes, at every scale: bumped by hand when a change of code changes results."""

    data: PositiveInt
    """Prepared sets."""
    tokenizer: PositiveInt
    """Trainings of tokenizers."""
    finetune: PositiveInt
    adapt: PositiveInt
    """The backbone, its adaptations and their samples."""
    ldm: PositiveInt
    """Trainings of latent diffusion models."""
    evaluation: PositiveInt
    """Features of originals, converted baselines, and all that is measured on images."""
    matching: PositiveInt
    speed: PositiveInt


class Upkeep(Section):
    """How a training is kept and watched; never part of a result's address."""

    checkpoint_every: PositiveInt
    """Updates between two checkpoints."""
    checkpoints_kept: Annotated[int, Field(ge=2, le=MOST, strict=True)]
    """At least two: a damaged one must not be the last."""
    pictures_every: PositiveInt
    """Updates between two sets of reconstructions in TensorBoard."""
    pictures: PositiveInt
    """Reconstructions in a set."""


class Scale(Section):
    """Everything that one scale is made of."""

    seed: Seed
    reading: str
    """Name of an entry of readings."""
    overrides: dict[str, Any] = Field(default_factory=dict)
    """Values of the reading that this scale changes; same shape as an entry of readings."""
    hardware: Hardware
    upkeep: Upkeep
    data: DataSection
    tokenizer: TokenizerSection
    selection: Selection
    finetune: FinetuneSection | None
    """null: nothing is fine-tuned; the selection then has no factors."""
    adapt: AdaptSection | None
    """null: there is no backbone, and nothing is adapted."""
    ldm: LDMSection | None
    """null: no latent diffusion model is trained."""
    evaluation: EvaluationSection
    matching: MatchingBench | None
    speed: SpeedBench | None

    @property
    def evaluates_backbone(self) -> bool:
        """Whether the backbone's own autoencoder is measured: a published one always, as it is a row of Tables 1 and 2;
        another one where a latent diffusion model is trained on it (Table 5)."""
        if self.adapt is None:
            return False
        latents = self.ldm.latents.values() if self.ldm else ()
        return self.adapt.backbone.source == "hub" or any(latent.tokenizer == BACKBONE_VAE for latent in latents)

    @property
    def generated_latents(self) -> dict[str, Latent]:
        """What latent diffusion models are trained on, by name."""
        return self.ldm.latents if self.ldm else {}

    @property
    def variants(self) -> dict[str, Variant]:
        """What is adapted, by name."""
        return self.adapt.variants if self.adapt else {}

    @property
    def compared_as_published(self) -> list[str]:
        """What stands for PQGAN in Figures 1 and 7 where nothing is fine-tuned: published product quantisers."""
        return [] if self.finetune else [*filter(is_of_the_authors, self.evaluation.published)]

    def geometry_of(self, prepared: str, reading: Reading) -> Literal["crop", "squash"]:
        """How images of a prepared set reach its size; of a set that is not planned, as the reading says."""
        return getattr(self.data.sets.get(prepared), "geometry", None) or reading.data.geometry

    @model_validator(mode="after")
    def _chapters_that_are_left_out_leave_nothing_hanging(self) -> "Scale":
        if self.finetune is None and self.selection.factors:
            raise ValueError("finetune is null beside selection.factors, which are fine-tuned; allowed: no factors")
        if (self.adapt is None) != (self.speed is None):
            raise ValueError("adapt and speed: one of them is null; allowed: both, as what was adapted is timed")
        return self

    @model_validator(mode="after")
    def _names_resolve(self) -> "Scale":
        uses = {
            "tokenizer.data": self.tokenizer.data,
            **({"finetune.data": self.finetune.data} if self.finetune else {}),
            **({"adapt.data": self.adapt.data} if self.adapt else {}),
            **({"ldm.data": self.ldm.data, "ldm.reference": self.ldm.reference} if self.ldm else {}),
            "evaluation.data": self.evaluation.data,
            **({"evaluation.second.data": self.evaluation.second.data} if self.evaluation.second else {}),
            **{f"evaluation.high_resolution.{role}": used for role, used in self.evaluation.high_resolution.items()},
            **{f"evaluation.transfer.{name}": used for name, used in self.evaluation.transfer.items()},
        }
        for key, used in uses.items():
            if used not in self.data.sets:
                raise ValueError(f"{key} is {shown(used)}; allowed: {', '.join(self.data.sets)}")
        factors = set(self.selection.factors)
        for name, variant in self.variants.items():
            if variant.F not in factors:
                raise ValueError(f"adapt.variants.{name}.F is {variant.F}; allowed: {sorted(factors)}, the selected")
        known = [f"{SELECTED}{factor}" for factor in self.selection.factors] + [
            *([BACKBONE_VAE] if self.adapt else []),
            *self.tokenizer.designs,
        ]
        for name, latent in self.generated_latents.items():
            if latent.tokenizer not in known:
                raise ValueError(
                    f"ldm.latents.{name}.tokenizer is {shown(latent.tokenizer)}; allowed: {', '.join(known[:4])}, "
                    "or a configuration of the sweep or its baselines"
                )
        return self

    @model_validator(mode="after")
    def _a_product_quantiser_can_be_selected(self) -> "Scale":
        has = {config.F for config in self.tokenizer.product.values()}
        for factor in self.selection.factors:
            if factor not in has:
                raise ValueError(
                    f"selection.factors has {factor}, of which the sweep has no configuration with S > 1; allowed: "
                    f"{', '.join(map(str, sorted(has))) or 'none, until it has one'}"
                )
        return self

    @model_validator(mode="after")
    def _continuous_models_are_planned(self) -> "Scale":
        backbone = [BACKBONE_VAE] if self.adapt else []
        known = [*backbone, *filter(is_continuous, self.evaluation.published), *self.tokenizer.continuous]
        for name in self.evaluation.continuous:
            if name not in known:
                raise ValueError(f"evaluation.continuous has {shown(name)}; allowed: {', '.join(known)}")
        return self

    @model_validator(mode="after")
    def _weights_are_measured_once(self) -> "Scale":
        own = self.adapt.backbone.published_vae if self.adapt else None
        if own in self.evaluation.published:
            raise ValueError(
                f"evaluation.published has {own}, the autoencoder of adapt.backbone, which is measured as "
                f"{BACKBONE_VAE}; allowed: others than it"
            )
        return self

    @model_validator(mode="after")
    def _roles_are_apart(self) -> "Scale":
        second = self.evaluation.second
        if second and second.reading in (VALIDATION, *self.evaluation.transfer):
            raise ValueError(
                f"evaluation.second.reading is {second.reading}, the role of another set; allowed: roles of "
                "evaluation.transfer that are no names of readings"
            )
        return self

    @model_validator(mode="after")
    def _names_are_apart(self) -> "Scale":
        # a latent may be called as the authors' tokenizer is, which no latent diffusion model is trained on
        rivals = [name for name in self.evaluation.published if not is_of_the_authors(name)]
        taken = [*self.tokenizer.configs, *rivals, BACKBONE_VAE]
        for name in self.generated_latents:
            if name in taken:
                raise ValueError(f"ldm.latents has {name}, the name of a tokenizer; allowed: a name of its own")
        if self.ldm is None:
            return self
        side, reference = self.ldm.resolution, self.ldm.reference
        if side != self.data.sets[reference].size:
            scaled = f"{reference}-{side}"
            if any(name.casefold() == scaled.casefold() for name in self.data.sets):
                raise ValueError(
                    f"data.sets has {scaled}, which is what {reference} is called at ldm.resolution {side}; allowed: "
                    "another name"
                )
        return self

    @model_validator(mode="after")
    def _factors_divide(self) -> "Scale":
        sides.check(self)
        return self

    @model_validator(mode="after")
    def _second_resolution_is_twice_the_first(self) -> "Scale":
        val, double = (self.evaluation.high_resolution[role] for role in (VALIDATION, DOUBLE))
        expected, found = 2 * self.data.sets[val].size, self.data.sets[double].size
        if found != expected:
            raise ValueError(
                f"evaluation.high_resolution.{DOUBLE} is {double}, of {found} px; allowed: a set of {expected} px, "
                f"twice the side of {val}, its {VALIDATION}"
            )
        return self

    @model_validator(mode="after")
    def _devices_divide(self) -> "Scale":
        shares.check(self)
        return self

    def evaluation_batch(self, side: int) -> int:
        """Images of a side in pixels that an evaluation holds at a time: no more pixels than of the validation set."""
        usual = self.data.sets[self.evaluation.data].size
        return max(1, min(self.evaluation.batch, self.evaluation.batch * usual**2 // side**2))


class Params(Section):
    """params.yaml."""

    scale: str
    """The scale that is run where none is named."""
    versions: Versions
    readings: Named[Name, Reading]
    scales: Named[Name, Scale]

    @model_validator(mode="before")
    @classmethod
    def _versions_stand_once(cls, values):
        if isinstance(values, dict) and "scales" in values and "versions" not in values:
            raise ValueError(
                f"has no `versions`; expected one block at the top with {', '.join(Versions.model_fields)}, the "
                "versions of code; no section has a `version` any more, and what data.version said of raw images is "
                "data.raw"
            )
        return values

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
    versions: Versions
    scale: Scale
    second_reading: Reading | None = None
    """That of evaluation.second, by which the validation set is measured once more."""

    def metrics_of(self, role: str) -> MetricsReading:
        """Which way to compute a metric is the headline on the set of a role."""
        return self.second_reading.metrics if self.is_second(role) else self.reading.metrics

    def is_second(self, role: str) -> bool:
        """Whether a role is that of the validation set by the second reading."""
        second = self.scale.evaluation.second
        return second is not None and role == second.reading

    @model_validator(mode="after")
    def _second_set_is_made_by_its_reading(self) -> "Settings":
        second = self.scale.evaluation.second
        if second is None:
            return self
        images = [
            self.scale.data.sets[name].model_dump(exclude={"geometry"})
            for name in (self.scale.evaluation.data, second.data)
        ]
        if images[0] != images[1]:
            raise ValueError(
                f"evaluation.second.data is {second.data}, which holds other images than {self.scale.evaluation.data}; "
                "allowed: a set with the same settings but for its geometry"
            )
        wanted, found = self.second_reading.data.geometry, self.scale.geometry_of(second.data, self.reading)
        measured = (self.reading.metrics.lpips, *self.scale.evaluation.features.lpips)
        if self.second_reading.metrics.lpips not in measured:
            raise ValueError(
                f"evaluation.features.lpips lacks {self.second_reading.metrics.lpips}, the backbone of the reading "
                f"{second.reading}; allowed: with it"
            )
        # crops of photographs are square: either geometry gives the same
        if wanted != found and self.scale.data.sets[second.data].source == "folder":
            raise ValueError(
                f"evaluation.second.data is {second.data}, cut by the geometry {found}; allowed: a set with geometry: "
                f"{wanted}, that of the reading {second.reading}"
            )
        return self

    @model_validator(mode="after")
    def _factors_divide(self) -> "Settings":
        key, side = "reading.adaptation.stage1_resolution", self.reading.adaptation.stage1_resolution
        for variant in self.scale.variants.values():
            sides.check_one(key, side, variant.F, sides.backbone_division(self.scale))
        return self

    @model_validator(mode="after")
    def _devices_divide(self) -> "Settings":
        batch = self.reading.training.total_batch
        shares.check_one(self.scale, "tokenizer", "reading.training.total_batch", batch)
        return self

    @model_validator(mode="after")
    def _named_best_is_in_the_sweep(self) -> "Settings":
        if self.scale.selection.mode == "named":
            product = self.scale.tokenizer.product
            for factor in self.scale.selection.factors:
                best = self.reading.best.get(factor)
                if best not in product or factor != product[best].F:
                    raise ValueError(
                        f"reading.best.{factor} is {best!r}; allowed: a configuration of the sweep with F={factor}, "
                        "S > 1 (S=1 is no product quantiser) and no seed"
                    )
        return self

    @model_validator(mode="after")
    def _alternatives_are_product_quantisers(self) -> "Settings":
        product, planned = self.scale.tokenizer.product, self.scale.tokenizer.configs
        for factor, name in self.reading.best_alternatives.items():
            # one that this scale does not plan is nowhere shown
            if name in planned and (name not in product or factor != product[name].F):
                raise ValueError(
                    f"reading.best_alternatives.{factor} is {name!r}; allowed: a configuration of the sweep with "
                    f"F={factor}, S > 1 (S=1 is no product quantiser) and no seed"
                )
        return self

    def candidates(self, factor: int) -> dict[str, PQConfig]:
        """By name, the product quantisers of a factor F among which the selection chooses: one where it is named."""
        product = self.scale.tokenizer.product
        if self.scale.selection.mode == "named":
            best = self.reading.best[factor]
            return {best: product[best]}
        return {name: config for name, config in product.items() if factor == config.F}

    @property
    def named_selection(self) -> dict[int, str]:
        """Factor F -> the tokenizer that goes on, if the reading names it; empty if it is to be measured."""
        selection = self.scale.selection
        return {factor: self.reading.best[factor] for factor in selection.factors if selection.mode == "named"}

    @property
    def expected_selection(self) -> dict[int, str]:
        """Factor F -> the tokenizer that is taken to go on where no selection is at hand: to estimate and to plan."""
        return {factor: self.expected(factor).name for factor in self.scale.selection.factors}

    @property
    def linear_beside(self) -> list[str]:
        """The linear tokenizers that Tables 1 and 2 show; of a sweep's others they are the floor, and in its own table.

        Beside what the selection may choose and what the paper calls best elsewhere (reading 1), of a factor F that
        takes no part in the selection, and of a shape that no product quantiser of the sweep has.
        """
        designs, factors = self.scale.tokenizer.designs, self.scale.selection.factors
        beside = set(self.reading.best_alternatives.values())
        beside |= {name for factor in factors for name in self.candidates(factor)}
        linear = {name: config for name, config in designs.items() if config.kind == "linear"}
        return [n for n, c in linear.items() if c.F not in factors or c.twin not in designs or c.twin in beside]

    def expected(self, factor: int) -> PQConfig:
        """The tokenizer that goes on from a factor F; where it is yet to be measured, the one with most channels."""
        return max(self.candidates(factor).values(), key=lambda config: (config.d, config.K))
