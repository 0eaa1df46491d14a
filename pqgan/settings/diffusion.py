"""Diffusion: the backbone, its adaptation to product-quantised latents, and the model from scratch."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from pqgan.errors import SettingsError

from .base import PositiveFloat, PositiveInt, Section
from .tokenizer import Factor


class UNetShape(Section):
    """The part of diffusers' UNet2DConditionModel configuration that differs between scales."""

    block_out_channels: tuple[PositiveInt, ...]
    layers_per_block: PositiveInt
    attention_levels: tuple[bool, ...]
    """For each level, whether it has cross-attention."""
    head_channels: PositiveInt
    """Channels of an attention head."""
    context: PositiveInt
    """Channels of the cross-attention context."""
    norm_groups: PositiveInt

    @model_validator(mode="after")
    def _levels_fit(self) -> "UNetShape":
        if len(self.attention_levels) != len(self.block_out_channels):
            raise ValueError(f"attention_levels has {len(self.attention_levels)} entries; allowed: one a level")
        for divisor in ("head_channels", "norm_groups"):
            if any(channels % getattr(self, divisor) for channels in self.block_out_channels):
                allowed = f"a divisor of each of {self.block_out_channels}"
                raise ValueError(f"{divisor} is {getattr(self, divisor)}; allowed: {allowed}")
        return self


class SeededBackbone(Section):
    """A Stable Diffusion of the real classes with seeded random weights."""

    source: Literal["seeded"]
    unet: UNetShape
    text_channels: PositiveInt
    text_layers: PositiveInt
    text_words: PositiveInt
    """Rows of the text encoder's embedding; its tokenizer of bytes uses the first 514."""
    vae_channels: tuple[PositiveInt, ...]
    """Channels of each level of the AutoencoderKL; four levels give F=8."""
    vae_layers: PositiveInt
    """Residual blocks a level of its encoder; the decoder has one more."""
    prediction_type: Literal["epsilon", "v_prediction"]
    sample_size: PositiveInt
    """Side of the native latent."""

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
    def architecture(self) -> SeededBackbone:
        """Shapes of its networks.

        Raises:
            SettingsError: they are not known here.
        """
        if not self.model.endswith("stable-diffusion-2-1"):
            raise SettingsError(
                f"adapt.backbone.model: got {self.model!r}; without its files, shapes are known of a "
                "stable-diffusion-2-1 or a seeded one"
            )
        return STABLE_DIFFUSION_2_1


class Phase(Section):
    """A line of Table 4."""

    resolution: PositiveInt
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


class Variant(Section):
    """One of PQSD-Precise, PQSD-Quick and PQSD-HR."""

    F: Factor
    stage1: Stage1
    """Only the new conv_in and conv_out train."""
    stage2: Annotated[tuple[Phase, ...], Field(min_length=1)]
    """All weights train, phase after phase."""
    sample_size: PositiveInt
    """Side of the sampled images, pixels."""


class AdaptSection(Section):
    """Stable Diffusion on product-quantised latents (section 5, appendix A.2)."""

    version: PositiveInt
    data: str
    """A set with captions."""
    backbone: Annotated[SeededBackbone | HubBackbone, Field(discriminator="source")]
    variants: dict[str, Variant]
    prompts: tuple[str, ...]
    """Prompts of the sample grids, one image each."""
    log_every: PositiveInt
    """Steps between two lines of train.jsonl."""


class Latent(Section):
    """A latent space that a model from scratch is trained on."""

    method: str
    """Name of the row in Table 5."""
    tokenizer: str
    """selected-8, selected-16, backbone-vae, or the name of a tokenizer of the sweep."""


class LDMSection(Section):
    """The latent diffusion model from scratch (Table 5)."""

    version: PositiveInt
    data: str
    """Training set with classes."""
    reference: str
    """Set that gFID compares with."""
    latents: dict[str, Latent]
    unet: UNetShape
    """Its context is the width of the class embedding."""
    class_dropout: Annotated[float, Field(ge=0, le=1)] = 0.0
    steps: PositiveInt
    batch: PositiveInt
    """Images an update, over all devices."""
    learning_rate: PositiveFloat
    resolution: PositiveInt
    """Side of the images, pixels."""
    beta_start: PositiveFloat = 0.0015
    beta_end: PositiveFloat = 0.0195
    """Linear-in-sqrt noise schedule of latent diffusion's ImageNet model."""
    ema_decay: Annotated[float, Field(gt=0, lt=1)]
    sample_batch: PositiveInt
    grid: PositiveInt
    """Samples shown in the grid."""
    log_every: PositiveInt
