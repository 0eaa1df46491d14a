"""Tokenizers: the sweep, its baselines, the trunk, the training, the selection and the fine-tuning."""

from collections.abc import Iterator
from functools import cached_property
from itertools import product
from typing import Annotated, Any, Literal, Self

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer, model_validator

from .base import Count, PositiveFloat, PositiveInt, Section

Factor = Literal[4, 8, 16, 32]


class Codebooks(Section):
    """Shape of a product quantiser: S=1 is VQ, S=d is scalar quantisation."""

    d: PositiveInt
    """Latent channels."""
    S: PositiveInt
    """Subspaces."""
    K: Annotated[int, Field(ge=2, strict=True)]
    """Codewords per subspace."""

    @model_validator(mode="after")
    def _subspaces_divide(self) -> Self:
        if self.d % self.S:
            allowed = [s for s in range(1, self.d + 1) if self.d % s == 0]
            raise ValueError(f"S={self.S} does not divide d={self.d}; allowed S: {', '.join(map(str, allowed))}")
        return self


class Configuration(Section):
    """One tokenizer to train.

    With a seed of its own it is a replicate: it says how far apart two trainings of one configuration lie, and nothing
    but the claims reads it.
    """

    F: Factor
    """Downsampling factor."""
    seed: Count | None = None
    """Of its training; null: the scale's."""

    @property
    def design(self) -> str:
        """Its name without the seed: replicates of one configuration share it."""
        raise NotImplementedError

    @property
    def name(self) -> str:
        return self.design if self.seed is None else f"{self.design}-seed{self.seed}"

    @model_serializer(mode="wrap")
    def _seed_where_there_is_one(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        # addresses of configurations without a seed are those of the time before there were seeds
        return {key: value for key, value in dump(self).items() if key != "seed" or value is not None}


class PQConfig(Configuration, Codebooks):
    """A point of the sweep (section 4.2)."""

    kind: Literal["pq"] = "pq"

    @property
    def design(self) -> str:
        return f"f{self.F}-d{self.d}-S{self.S}-K{self.K}"

    def images_for_codebooks(self, resolution: int) -> int:
        """Least number of images (side in pixels) that have a sub-vector for each of K codewords."""
        return -(-self.K // max(1, resolution // self.F) ** 2)


class KLConfig(Configuration):
    """A continuous KL autoencoder on the same trunk (diffusers AutoencoderKL)."""

    kind: Literal["kl"]
    d: PositiveInt
    kl_weight: PositiveFloat = 1e-6

    @property
    def design(self) -> str:
        return f"kl-f{self.F}-d{self.d}"


class VQGANConfig(Configuration):
    """A plain VQGAN (diffusers VQModel) on the same trunk."""

    kind: Literal["vqgan"]
    d: PositiveInt
    K: Annotated[int, Field(ge=2, strict=True)]

    @property
    def design(self) -> str:
        return f"vqgan-f{self.F}-d{self.d}-K{self.K}"


TokenizerConfig = Annotated[PQConfig | KLConfig | VQGANConfig, Field(discriminator="kind")]


class Grid(Section):
    """A grid of section 4.2; S is a number or a fraction of d; what does not divide is left out."""

    F: tuple[Factor, ...]
    d: tuple[PositiveInt, ...]
    S: tuple[PositiveInt | Annotated[str, Field(pattern=r"^d(/[1-9]\d*)?$")], ...]
    """Numbers, "d" or "d/8"."""
    K: tuple[Annotated[int, Field(ge=2, strict=True)], ...]

    def configs(self) -> Iterator[PQConfig]:
        for F, d, s, K in product(self.F, self.d, self.S, self.K):
            if isinstance(s, str):
                divisor = int(s.partition("/")[2] or 1)
                if d % divisor:
                    continue
                s = d // divisor
            if d % s == 0:
                yield PQConfig(F=F, d=d, S=s, K=K)


class Trunk(Section):
    """Encoder and decoder without the quantiser (reading 10); diffusers' Encoder and Decoder."""

    channels: PositiveInt
    """Channels of the first level."""
    multipliers: tuple[PositiveInt, ...]
    """Channel multiplier of each level; each level but the last halves the resolution. Attention sits on the last."""
    res_blocks: PositiveInt
    z_channels: PositiveInt
    """Channels between trunk and quantiser projection."""
    norm_groups: PositiveInt

    @model_validator(mode="after")
    def _groups_divide(self) -> "Trunk":
        for multiplier in self.multipliers:
            if self.channels * multiplier % self.norm_groups:
                raise ValueError(
                    f"norm_groups={self.norm_groups} does not divide {self.channels} x {multiplier} channels; "
                    "allowed: a divisor of every level's channels"
                )
        return self

    @property
    def factor(self) -> int:
        return 2 ** (len(self.multipliers) - 1)


class Discriminator(Section):
    """PatchGAN (pix2pix), as VQGAN uses it."""

    channels: PositiveInt
    layers: PositiveInt


class Training(Section):
    """One tokenizer training; what the paper leaves open is in the reading."""

    steps: PositiveInt
    """In the unit that the reading's step_counts names."""
    resolution: PositiveInt
    """Side of a training crop, pixels."""
    learning_rate: PositiveFloat
    betas: tuple[float, float] = (0.5, 0.9)
    perceptual_weight: Annotated[float, Field(ge=0)] = 1.0
    scaling_images: PositiveInt
    """Training images the latent scaling factor is measured on, after training (reading 21)."""
    log_every: PositiveInt
    """Steps between two lines of train.jsonl."""


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


class Selection(Section):
    """Which tokenizer of each factor goes on to fine-tuning and generation."""

    mode: Literal["measured", "named"]
    """measured: best by metric on the validation set; named: as the reading's best says."""
    metric: Literal["psnr", "lpips", "rfid", "cmmd"]
    factors: tuple[Factor, ...]


class TokenizerSection(Section):
    """The sweep and everything all its trainings share."""

    version: PositiveInt
    """Bumped by hand when code that changes a training's result changes."""
    data: str
    """Name of the training set."""
    trunks: dict[Factor, Trunk]
    discriminator: Discriminator
    training: Training
    codebook: Codebook = Codebook()
    grid: Grid | None = None
    sweep: tuple[PQConfig, ...]
    """Configurations besides the grid's."""
    baselines: tuple[TokenizerConfig, ...]

    @model_validator(mode="after")
    def _trunks_fit(self) -> "TokenizerSection":
        for factor, trunk in self.trunks.items():
            if trunk.factor != factor:
                raise ValueError(
                    f"trunks.{factor} has {len(trunk.multipliers)} levels, which downsample by {trunk.factor}; "
                    f"allowed: {factor.bit_length()} multipliers"
                )
        for config in self.configs.values():
            if config.F not in self.trunks:
                raise ValueError(f"{config.name} has no trunk; allowed F: {', '.join(map(str, self.trunks))}")
        return self

    @model_validator(mode="after")
    def _images_suffice(self) -> "TokenizerSection":
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

    @cached_property
    def configs(self) -> dict[str, PQConfig | KLConfig | VQGANConfig]:
        """Every configuration to train, replicates included, by name, each once."""
        gridded = self.grid.configs() if self.grid else ()
        return {config.name: config for config in (*gridded, *self.sweep, *self.baselines)}

    @property
    def designs(self) -> dict[str, PQConfig | KLConfig | VQGANConfig]:
        """Those that are no replicates."""
        return {name: config for name, config in self.configs.items() if config.seed is None}


class FinetuneSection(Section):
    """The 768 px chapter: the selected tokenizers at a higher resolution."""

    version: PositiveInt
    data: str
    batch: PositiveInt
    """Images an update, over all devices."""
    training: Training
