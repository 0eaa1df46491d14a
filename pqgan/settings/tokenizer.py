"""Tokenizers: the sweep, its baselines, the training, the selection and the fine-tuning."""

from functools import cached_property
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, SerializerFunctionWrapHandler, model_serializer, model_validator

from pqgan.metrics import QUALITY

from .base import Channels, Float, Layers, PositiveFloat, PositiveInt, Section, Side
from .configurations import AnyConfig, Factor, Grid, LinearConfig, PQConfig, SweepConfig, TokenizerConfig, VQGANConfig
from .names import each_once
from .trunk import Refinement, Trunk


class Discriminator(Section):
    """PatchGAN (pix2pix), as VQGAN uses it."""

    channels: Channels
    layers: Layers


class Training(Section):
    """One tokenizer training; what the paper leaves open is in the reading."""

    steps: PositiveInt
    """In the unit that the reading's step_counts names."""
    resolution: Side
    """Side of a training crop, pixels."""
    shortest_side: Side | None = None
    """Of the images that crops are taken from, pixels; null: the resolution, as VQGAN does."""
    learning_rate: PositiveFloat
    betas: tuple[Float, Float] = (0.5, 0.9)
    perceptual_weight: Annotated[Float, Field(ge=0)] = 1.0
    path_rate: Annotated[Float, Field(ge=0)] | None = None
    """Of a linear path, the codebooks and the encoder, times learning_rate; 0 leaves them as fitted. null: 1."""
    cooldown: PositiveInt | None = None
    """Last updates, over which the learning rates fall linearly; null: they stay, as in the paper."""
    scaling_images: PositiveInt
    """Training images the latent scaling factor is measured on, after training (reading 21)."""
    log_every: PositiveInt
    """Steps between two lines of train.jsonl."""

    @model_serializer(mode="wrap")
    def _without_what_is_null(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        # addresses are those of the time before there was the choice
        return {key: value for key, value in dump(self).items() if value is not None}

    @model_validator(mode="after")
    def _crops_fit(self) -> "Training":
        if self.shortest_side is not None and self.shortest_side < self.resolution:
            raise ValueError(
                f"shortest_side is {self.shortest_side}, too small for crops of {self.resolution} pixels; "
                f"allowed: {self.resolution} or more, or null"
            )
        return self

    @property
    def image_side(self) -> int:
        """Shortest side of the images that crops are taken from, pixels."""
        return self.shortest_side or self.resolution


class Codebook(Section):
    """What the trainings of product-quantised tokenizers do with codebooks beside gradient steps.

    The paper has none of it: what is null is off. Fine-tuning, which starts from trained codebooks, does without.
    """

    kmeans_images: PositiveInt | None = None
    """First training images; k-means over their sub-vectors is where codebooks start. null: as codebook_init says."""
    kmeans_vectors: PositiveInt = 64
    """Sub-vectors a codeword that k-means sees at most, the same number of every image, rounded up."""
    kmeans_passes: PositiveInt = 25
    """Passes of k-means over these sub-vectors, at most."""
    revive_after: PositiveInt | None = None
    """Updates without being chosen after which a codeword gives way to a sub-vector of the batch; null: never."""

    def in_use(self) -> dict[str, int]:
        """The values that a training depends on: empty where all is off."""
        unused = {name for name in type(self).model_fields if name.startswith("kmeans") and not self.kmeans_images}
        return self.model_dump(mode="json", exclude=unused, exclude_none=True)


class Linear(Section):
    """How much of the training set the linear paths are fitted to: principal components and k-means, no gradient."""

    images: PositiveInt | None = None
    """Images, spread over the set; null: all."""
    vectors: PositiveInt = 200_000
    """Patches that k-means sees, the same number of every image, rounded up."""
    passes: PositiveInt = 10
    """Passes of k-means over them, at most."""
    side: Side | None = None
    """Shortest side of the images, pixels; null: that of the training's."""
    scaling_images: PositiveInt | None = None
    """Images the latent scaling factor is measured on; null: as many as of the training's."""

    @model_serializer(mode="wrap")
    def _later_ones_where_they_are_given(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        # addresses are those of the time before there was the choice
        later = ("side", "scaling_images")
        return {key: value for key, value in dump(self).items() if key not in later or value is not None}


class WithShortcut(Section):
    """Every product quantiser once more around a linear path, beside its training on the paper's trunk.

    The claims show both; nothing else reads these. Not in the paper.
    """

    shortcut: Literal["linear", "linear_alone"]
    refinement: Refinement | None = None
    training: Training

    @model_validator(mode="after")
    def _something_is_trained(self) -> "WithShortcut":
        if self.shortcut == "linear_alone" and not self.refinement:
            raise ValueError("linear_alone has no network to train; allowed: a refinement, or kind: linear")
        return self


class Selection(Section):
    """Which tokenizer of each factor goes on to fine-tuning and generation: a product quantiser, S > 1."""

    mode: Literal["measured", "named"]
    """measured: the best mean rank over the metrics on the validation set; named: as the reading's best says."""
    metrics: Annotated[tuple[Literal[QUALITY], ...], Field(min_length=1), AfterValidator(each_once)]
    """Appendix A.1 names PSNR, CMMD and LPIPS. The first decides between equal mean ranks."""
    factors: Annotated[tuple[Factor, ...], AfterValidator(each_once)]


class TokenizerSection(Section):
    """The sweep and everything all its trainings share."""

    data: str
    """Name of the training set."""
    trunks: dict[Factor, Trunk]
    discriminator: Discriminator | None
    training: Training | None
    """null, and the discriminator too: nothing is trained; linear tokenizers are fitted."""
    codebook: Codebook = Codebook()
    linear: Linear = Linear()
    with_shortcut: WithShortcut | None = None
    """null: trainings are those of the trunks alone."""
    grid: Grid | None = None
    sweep: tuple[SweepConfig, ...]
    """Configurations besides the grid's."""
    baselines: tuple[TokenizerConfig, ...]

    @model_validator(mode="after")
    def _what_is_trained_says_how(self) -> "TokenizerSection":
        if (self.training is None) != (self.discriminator is None):
            raise ValueError("training and discriminator: one of them is null; allowed: both or neither")
        if self.training is None:
            if trained := [name for name, config in self.configs.items() if config.kind != "linear"]:
                raise ValueError(f"training is null beside {trained[0]}; allowed: nothing but kind: linear")
            if self.configs and None in (self.linear.side, self.linear.scaling_images):
                raise ValueError("training is null; allowed: linear with a side and scaling_images of its own")
        return self

    @model_validator(mode="after")
    def _trunks_fit(self) -> "TokenizerSection":
        for factor, trunk in self.trunks.items():
            if trunk.factor != factor:
                raise ValueError(
                    f"trunks.{factor} has {len(trunk.multipliers)} levels, which downsample by {trunk.factor}; "
                    f"allowed: {factor.bit_length()} multipliers"
                )
        for config in self.configs.values():
            if config.F not in self.trunks and config.kind != "linear":
                raise ValueError(f"{config.name} has no trunk; allowed F: {', '.join(map(str, self.trunks))}")
        return self

    @model_validator(mode="after")
    def _shortcuts_are_told_apart(self) -> "TokenizerSection":
        written = {config.name for config in (*self.sweep, *self.baselines)}
        for name, config in self.configs.items():
            if not isinstance(config, PQConfig) or not config.path:
                continue
            if self.with_shortcut is None or name in written:
                raise ValueError(f"{name} has path: true; allowed: with_shortcut, which trains every one with a path")
            if self.trunks[config.F].shortcut != "none":
                raise ValueError(f"with_shortcut beside a shortcut of trunks.{config.F}; allowed: one of the two")
        return self

    @model_validator(mode="after")
    def _images_hold_patches(self) -> "TokenizerSection":
        most = max((config.F for config in self.configs.values()), default=1)
        side = self.linear.side
        if side is not None and side < most:
            raise ValueError(
                f"linear.side is {side}, too small for patches of F={most}; allowed: {most} or more, or null"
            )
        return self

    @model_validator(mode="after")
    def _images_suffice(self) -> "TokenizerSection":
        if self.training is None:
            return self
        images, side = self.codebook.kmeans_images, self.training.resolution
        least = {c.name: c.images_for_codebooks(side) for c in self.configs.values() if isinstance(c, PQConfig)}
        if images and least and images < max(least.values()):
            name = max(least, key=least.get)
            raise ValueError(
                f"codebook.kmeans_images is {images}: at {side} x {side} pixels these give a subspace fewer vectors "
                f"than {name} has codewords; allowed: {least[name]} or more, or null"
            )
        return self

    @model_validator(mode="after")
    def _replicates_repeat_something(self) -> "TokenizerSection":
        for name, config in self.configs.items():
            if config.design not in self.configs:
                raise ValueError(
                    f"{name} repeats {config.design}, which is not planned; allowed: a seed of its own for what the "
                    "grid, the sweep or the baselines have without seed"
                )
        return self

    @model_validator(mode="after")
    def _nothing_is_trained_twice(self) -> "TokenizerSection":
        for config in self.configs.values():
            if isinstance(config, VQGANConfig) and config.twin in self.configs:
                raise ValueError(
                    f"{config.design} of the baselines trains what {config.twin} trains, which is planned too; "
                    "allowed: one of the two"
                )
        return self

    @cached_property
    def configs(self) -> dict[str, AnyConfig]:
        """Every configuration to train, replicates included, by name, each once."""
        gridded = self.grid.configs() if self.grid else ()
        found = {config.name: config for config in (*gridded, *self.sweep, *self.baselines)}
        if self.with_shortcut:
            again = [c.model_copy(update={"path": True}) for c in found.values() if isinstance(c, PQConfig)]
            found |= {config.name: config for config in again}
        return found

    @property
    def designs(self) -> dict[str, AnyConfig]:
        """Those that are no replicates and have no shortcut beside the trunk's."""
        return {name: config for name, config in self.configs.items() if not config.for_claims}

    def trunk(self, config: AnyConfig) -> Trunk | None:
        """Networks of a configuration: only product quantisers have a shortcut, and linear ones have none."""
        if isinstance(config, LinearConfig):
            return None
        own = self.trunks[config.F]
        if not isinstance(config, PQConfig):
            return own.plain
        if not config.path:
            return own
        return Trunk.model_validate(
            own.model_dump() | self.with_shortcut.model_dump(include={"shortcut", "refinement"})
        )

    def training_of(self, config: AnyConfig) -> Training:
        """How a configuration is trained."""
        return self.with_shortcut.training if isinstance(config, PQConfig) and config.path else self.training

    def fitted_side(self, training: Training | None) -> int:
        """Shortest side of the images that a linear path is fitted to, pixels."""
        return self.linear.side or training.image_side

    @property
    def fitted_resolution(self) -> int:
        """Side of the images that a fitted tokenizer is then looked at with, pixels."""
        return self.training.resolution if self.training else self.linear.side

    @property
    def fitted_scaling_images(self) -> int:
        """Images that the scaling factor of a fitted tokenizer is measured on."""
        return self.linear.scaling_images or self.training.scaling_images

    @cached_property
    def product(self) -> dict[str, PQConfig]:
        """The product quantisers that are no replicates: S > 1."""
        return {name: config for name, config in self.designs.items() if config.kind == "pq" and config.S > 1}

    @property
    def continuous(self) -> list[str]:
        """The KL autoencoders that are no replicates."""
        return [name for name, config in self.designs.items() if config.kind == "kl"]


class FinetuneSection(Section):
    """The 768 px chapter: the selected tokenizers at a higher resolution (section 4.5, appendix A.1)."""

    data: str
    batch: PositiveInt
    """Images an update, over all devices."""
    training: Training
