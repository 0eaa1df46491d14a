"""Diffusion: the backbone, its adaptation to product-quantised latents, and the model from scratch."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from pqgan.errors import SettingsError

from .base import Channels, Float, Layers, PositiveFloat, PositiveInt, Section, Share, Side
from .configurations import Factor
from .names import Name, Named, VariantName, shown


class UNetShape(Section):
    """The part of diffusers' UNet2DConditionModel configuration that differs between scales."""

    block_out_channels: Annotated[tuple[Channels, ...], Field(min_length=1, max_length=8)]
    layers_per_block: Layers
    attention_levels: tuple[bool, ...]
    """For each level, whether it has cross-attention."""
    head_channels: Channels
    """Channels of an attention head."""
    context: Channels
    """Channels of the cross-attention context."""
    norm_groups: Channels

    @model_validator(mode="after")
    def _levels_fit(self) -> "UNetShape":
        if len(self.attention_levels) != len(self.block_out_channels):
            raise ValueError(f"attention_levels has {len(self.attention_levels)} entries; allowed: one a level")
        for divisor in ("head_channels", "norm_groups"):
            if any(channels % getattr(self, divisor) for channels in self.block_out_channels):
                allowed = f"a divisor of each of {self.block_out_channels}"
                raise ValueError(f"{divisor} is {getattr(self, divisor)}; allowed: {allowed}")
        return self

    @property
    def division(self) -> int:
        """By what the U-Net divides the sides of a latent: each level but the last halves them."""
        return 2 ** (len(self.block_out_channels) - 1)


class SeededBackbone(Section):
    """A Stable Diffusion of the real classes with seeded random weights."""

    source: Literal["seeded"]
    unet: UNetShape
    text_channels: Channels
    text_layers: Layers
    text_words: PositiveInt
    """Rows of the text encoder's embedding; its tokenizer of bytes uses the first 514."""
    vae_channels: Annotated[tuple[Channels, ...], Field(min_length=1, max_length=8)]
    """Channels of each level of the AutoencoderKL; four levels give F=8."""
    vae_layers: Layers
    """Residual blocks a level of its encoder; the decoder has one more."""
    prediction_type: Literal["epsilon", "v_prediction"]
    sample_size: Side
    """Side of the native latent."""

    @property
    def factor(self) -> int:
        """F of its AutoencoderKL."""
        return 2 ** (len(self.vae_channels) - 1)

    @property
    def published_vae(self) -> None:
        """Name of its autoencoder among the published tokenizers: it is none."""

    @property
    def architecture(self) -> "SeededBackbone":
        """Shapes of its networks: these."""
        return self


STABLE_DIFFUSION_2_1 = SeededBackbone(
    source="seeded",
    unet=UNetShape(
        block_out_channels=(320, 640, 1280, 1280),
        layers_per_block=2,
        attention_levels=(True, True, True, False),
        head_channels=64,
        context=1024,
        norm_groups=32,
    ),
    text_channels=1024,
    text_layers=23,
    text_words=49408,
    vae_channels=(128, 256, 512, 512),
    vae_layers=2,
    prediction_type="v_prediction",
    sample_size=96,
)
"""Shapes of Stable Diffusion 2.1 for 768 px: unet/, text_encoder/ and vae/config.json of the published model."""


class HubBackbone(Section):
    """A published Stable Diffusion."""

    source: Literal["hub"]
    model: str
    """Repository on the Hugging Face hub."""
    revision: str
    """Commit, tag or branch."""

    @property
    def factor(self) -> int:
        """F of its AutoencoderKL, the same for every Stable Diffusion."""
        return STABLE_DIFFUSION_2_1.factor

    @property
    def published_vae(self) -> Literal["sd21-vae"] | None:
        """Name of its autoencoder among the published tokenizers; None where it is not known to be one of them."""
        return "sd21-vae" if self.model.endswith("stable-diffusion-2-1") else None

    @property
    def architecture(self) -> SeededBackbone:
        """Shapes of its networks.

        Raises:
            SettingsError: they are not known here.
        """
        if self.published_vae is None:
            raise SettingsError(
                f"adapt.backbone.model: got {self.model!r}; without its files, shapes are known of a "
                "stable-diffusion-2-1 or a seeded one"
            )
        return STABLE_DIFFUSION_2_1


class Phase(Section):
    """A line of Table 4."""

    resolution: Side
    """Side of the images, pixels."""
    steps: PositiveInt
    batch: PositiveInt
    """Images an update, over all devices."""
    learning_rate: PositiveFloat


class Stage1(Section):
    """The first line of Table 4 for a variant; its resolution is the reading's (point 16)."""

    steps: PositiveInt
    batch: PositiveInt
    learning_rate: PositiveFloat


def _is_pair(value: Any) -> Any:
    if not isinstance(value, list | tuple) or len(value) != 2:
        raise ValueError("allowed: [height, width], in pixels")
    return value


Size = Annotated[tuple[Side, Side], BeforeValidator(_is_pair)]
"""Height and width of an image, pixels."""


def _each_once(sizes: tuple[Size, ...]) -> tuple[Size, ...]:
    if not sizes:
        raise ValueError("allowed: at least one [height, width], in pixels")
    for size in sizes:
        if sizes.count(size) > 1:
            raise ValueError(f"{shown(list(size))} is there {sizes.count(size)} times; allowed: each size once")
    return sizes


class Variant(Section):
    """A generator, such as PQSD-Precise, PQSD-Quick and PQSD-HR."""

    F: Factor
    stage1: Stage1
    """Only the new conv_in and conv_out train."""
    stage2: Annotated[tuple[Phase, ...], Field(min_length=1)]
    """All weights train, phase after phase."""
    sample_size: Side
    """Side of the square images that Table 3 times, pixels."""
    samples: Annotated[tuple[Size, ...], AfterValidator(_each_once)]
    """Sizes of the pictures that are sampled of every prompt (Figures 4, 8, 9 and 10)."""


class AdaptSection(Section):
    """Stable Diffusion on product-quantised latents (sections 3.2 and 4.5, appendix A.2)."""

    data: str
    """A set with captions."""
    backbone: Annotated[SeededBackbone | HubBackbone, Field(discriminator="source")]
    variants: Named[VariantName, Variant]
    prompts: Annotated[tuple[str, ...], Field(min_length=1)]
    """Of each a variant makes one picture a size; the first is what Table 3 times."""
    log_every: PositiveInt
    """Steps between two lines of train.jsonl."""


class Latent(Section):
    """A latent space that a model from scratch is trained on."""

    method: str
    """Name of the row in Table 5."""
    tokenizer: str
    """selected-8, selected-16, backbone-vae, or the name of a tokenizer of the sweep."""


class LDMSection(Section):
    """The latent diffusion model from scratch (appendix D, Table 5)."""

    data: str
    """Training set with classes."""
    reference: str
    """Set that gFID compares with."""
    latents: Named[Name, Latent]
    unet: UNetShape
    """Its context is the width of the class embedding."""
    class_dropout: Share = 0.0
    steps: PositiveInt
    batch: PositiveInt
    """Images an update, over all devices."""
    learning_rate: PositiveFloat
    resolution: Side
    """Side of the images, pixels."""
    beta_start: PositiveFloat = 0.0015
    beta_end: PositiveFloat = 0.0195
    """Linear-in-sqrt noise schedule of latent diffusion's ImageNet model."""
    ema_decay: Annotated[Float, Field(gt=0, lt=1)]
    sample_batch: PositiveInt
    grid: PositiveInt
    """Samples shown in the grid."""
    log_every: PositiveInt
