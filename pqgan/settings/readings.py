"""The open points of the paper (docs/readings.md), as parameters with a named set of values each.

They are grouped by what they change, so that a different way to score does not retrain anything.
"""

from typing import Annotated, Any, Literal

from pydantic import Field, field_validator

from .base import MOST, Float, PositiveFloat, PositiveInt, Section, Share, Side

SampleCount = Annotated[int, Field(ge=4, le=MOST, strict=True)]
"""More than the three nearest neighbours that precision and recall look at."""

Precision = Literal["32-true", "bf16-mixed"]
"""As lightning-fabric names it; fp16 is not offered, because its scaled gradients overflow in the normal course."""


class DataReading(Section):
    """How raw images become training and evaluation images."""

    normalisation: Literal["minus_one_one", "imagenet"]
    """Point 4. Range the networks see; images in the code stay in [-1, 1] either way."""
    geometry: Literal["crop", "squash"]
    """Point 4. crop: shortest side to size, random crop to train, centre crop to evaluate; squash: both sides."""


def learning_rate(rate: float, batch: int, scale_lr: bool) -> float:
    """What an optimiser of a tokenizer is given (point 2).

    Args:
        rate: of the settings.
        batch: images an update, over all devices.
        scale_lr: of the reading.
    """
    return rate * batch if scale_lr else rate


class TrainingReading(Section):
    """How a tokenizer is trained."""

    scale_lr: bool
    """Point 2. True multiplies the learning rate by the total batch, as taming-transformers does."""
    step_counts: Literal["generator", "generator_and_discriminator"]
    """Point 3. What one of the paper's training steps is; the second halves the generator updates."""
    codebook_init: Literal["uniform", "normal"]
    """Point 5. uniform(-1/K, 1/K) or normal(0, 1)."""
    discriminator_start: PositiveInt
    """Point 6. First generator update, counted from 1, at which the discriminator plays."""
    discriminator_weight: PositiveFloat
    """Point 6. Factor on the adaptive weight."""
    beta: PositiveFloat
    """Point 7. Factor on the term that beta_on names; the other term has factor 1."""
    beta_on: Literal["codebook", "commitment"]
    """Point 7. Eq. 1 puts it on the codebook term."""
    precision: Precision
    """Point 8. Networks; the quantiser is always fp32."""
    total_batch: PositiveInt
    """Point 9. Images a generator update, over all devices."""

    def updates(self, steps: int) -> int:
        """Generator updates of a number of the paper's training steps, at least one."""
        return steps if self.step_counts == "generator" else max(1, steps // 2)


class MetricsReading(Section):
    """Which of the published ways to compute a metric is the headline."""

    psnr: Literal["mean", "pooled"]
    """Point 11. Mean over images of the per-image PSNR, or one PSNR of the pooled squared error."""
    lpips: Literal["alex", "vgg", "squeeze"]
    """Point 12. Backbone of the headline LPIPS."""
    fid: Literal["clean-fid", "torchmetrics"]
    """Point 13. Protocol of the headline FID: clean-fid with its legacy_pytorch resize, or torchmetrics."""
    cmmd_antialias: bool
    """Point 14. Whether the bicubic resize before CLIP is antialiased."""
    usage: Literal["mean_over_subspaces", "concatenated"]
    """Point 15. H_n and P_n over S codebooks."""


class AdaptationReading(Section):
    """How Stable Diffusion is moved to the new latents."""

    stage1_resolution: Side
    """Point 16. 384 (Table 4) or 512 (appendix A.2)."""
    widening: Literal["tile_variance", "tile"]
    """Point 20. Whether tiled conv_in weights are scaled by sqrt(4/d) to keep the variance of their response."""
    latent: Literal["z_q", "z_e"]
    """Point 21. What is diffused; decoding re-quantises either."""
    precision: Precision
    """Point 22. Of every diffusion training; the tokenizer in front of it always encodes in fp32."""
    caption_dropout: Share
    """Point 22. Share of captions replaced by the empty one."""
    ema_decay: Annotated[Float, Field(gt=0, lt=1)]
    """Point 22."""
    weight_decay: Annotated[Float, Field(ge=0)]
    """Point 22."""
    guidance: Annotated[Float, Field(ge=1)]
    """Point 22. Classifier-free guidance of the text-to-image samples."""
    sampler_steps: PositiveInt
    """Point 22. DDIM steps of the text-to-image samples."""


class GenerationReading(Section):
    """How a class-conditional latent diffusion model is sampled and scored (point 26)."""

    sampler_steps: PositiveInt
    """DDIM steps."""
    eta: Share
    """DDIM noise: 0 deterministic, 1 as much as DDPM."""
    samples: tuple[SampleCount, ...]
    """Numbers of samples that are measured, the first of them all each time; the headline is the first number."""

    @field_validator("samples", mode="before")
    @classmethod
    def _samples_is_a_list_of_counts(cls, value: Any) -> Any:
        if not isinstance(value, list | tuple) or len(set(map(str, value))) < max(1, len(value)):
            raise ValueError("allowed: a list of different counts, such as [5000, 50000]")
        return value


class SpeedReading(Section):
    """How generation speed is measured (point 23)."""

    batch: PositiveInt
    """Point 23. Images made at a time."""
    steps: PositiveInt
    """Point 23. DDIM steps of an image."""
    decode: bool
    """Point 23. Whether decoding is part of the time of a sample."""


class FinetuneReading(Section):
    """Fine-tuning at high resolution (point 28)."""

    discriminator: Literal["resumed", "fresh"]
    """Point 28. resumed: the one that the tokenizer was trained with; fresh: new weights."""
    discriminator_start: PositiveInt
    """Point 28. Generator update at which the discriminator plays."""


class Reading(Section):
    """One complete set of answers to what the paper leaves open."""

    data: DataReading
    training: TrainingReading
    finetune: FinetuneReading
    metrics: MetricsReading
    adaptation: AdaptationReading
    generation: GenerationReading
    speed: SpeedReading
    best: dict[PositiveInt, str]
    """Point 1. The best configuration of each downsampling factor F, by name."""
    best_alternatives: dict[PositiveInt, str]
    """Point 1. Configurations the paper calls best in another place."""
