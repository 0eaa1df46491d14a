"""Evaluation: sets, feature networks, benches."""

from typing import Annotated, Literal

from pydantic import Field

from .base import Count, PositiveInt, Section
from .tokenizer import Codebooks, PQConfig


class RandomClip(Section):
    """A small CLIP image tower of the real class with seeded random weights."""

    source: Literal["random"]
    hidden: PositiveInt
    layers: PositiveInt
    heads: PositiveInt
    patch: PositiveInt
    image_size: PositiveInt
    """Side of its input, pixels."""
    projection: PositiveInt


class HubClip(Section):
    """The published CLIP image tower of CMMD; the sha256 of its file is pinned in pqgan/storage/published.py."""

    source: Literal["hub"]
    model: Literal["openai/clip-vit-large-patch14-336"]
    revision: str
    """Commit that it is fetched from."""


class Features(Section):
    """The networks that metrics and the perceptual loss look through."""

    weights: Literal["random", "pretrained"]
    """random needs no download; every table then says that its numbers come from random features."""
    seed: Count = 0
    """Of random weights."""
    perceptual: Literal["vgg", "alex", "squeeze"]
    """LPIPS backbone of the training loss (VGG in VQGAN)."""
    lpips: tuple[Literal["vgg", "alex", "squeeze"], ...]
    """LPIPS backbones of the evaluation."""
    fid_input: Annotated[int, Field(ge=75, strict=True)]
    """Side that images are resized to before InceptionV3, pixels; 299 in every published protocol."""
    clip: Annotated[RandomClip | HubClip, Field(discriminator="source")]


Published = Literal[
    "vqgan-f16-16384",
    "vqgan-f16-1024",
    "ldm-vq-f16",
    "ldm-vq-f8",
    "ldm-vq-f4",
    "vqgan-lc-f16",
    "vqgan-lc-f8",
    "ldm-kl-f16",
    "ldm-kl-f8",
    "ldm-kl-f4",
    "sd21-vae",
    "sdxl-vae",
    "taesd",
    "taesdxl",
    "taesd3",
]
"""Names in pqgan/evaluate/baselines/catalogue.py."""


class EvaluationSection(Section):
    """Reconstruction metrics (Tables 1 and 2)."""

    version: PositiveInt
    data: str
    """Validation set."""
    finetune_data: str
    """Validation set of the high-resolution chapter."""
    transfer: dict[str, str]
    """Name in Table 2 -> prepared set that plays it."""
    published: tuple[Published, ...] = ()
    """Published tokenizers that are measured too (reading 30); what is left out stays as the paper reports it."""
    batch: PositiveInt
    showcase: PositiveInt
    """Reconstructions kept as pictures, the first of each set."""
    features: Features


class SearchCase(Codebooks):
    """A search for the nearest codewords by itself."""


class SearchBench(Section):
    """The search of every backend beside that of other libraries, on random latents and codewords."""

    positions: PositiveInt
    """Latent vectors of a search."""
    repeats: PositiveInt
    """Timed searches of each way; the median is reported."""
    cases: tuple[SearchCase, ...]


class MatchingBench(Section):
    """Figure 5: what the quantiser adds to a reconstruction (reading 24), and its search beside others."""

    version: PositiveInt
    F: Literal[8, 16, 32]
    resolution: PositiveInt
    batches: Annotated[tuple[PositiveInt, ...], Field(min_length=1)]
    precision: Literal["32-true", "bf16-mixed"]
    """Of encoder and decoder; the quantiser computes in fp32."""
    repeats: PositiveInt
    """Timed reconstructions, each with and without quantiser in turns; the median is reported."""
    configs: tuple[PQConfig, ...]
    search: SearchBench


class SpeedBench(Section):
    """Table 3: images per second and memory of a generator (reading 23)."""

    version: PositiveInt
    warmup: Count
    """Images before the clock starts."""
    repeats: PositiveInt
    """Images timed."""
    baseline_size: PositiveInt
    """Side of the unadapted backbone's images, pixels."""
