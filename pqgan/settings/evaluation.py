"""Evaluation: sets, feature networks, benches."""

from typing import Annotated, Literal

from pydantic import Field

from .base import Count, PositiveInt, Section
from .tokenizer import PQConfig


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
    """A published CLIP image tower."""

    source: Literal["hub"]
    model: str
    revision: str


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


class EvaluationSection(Section):
    """Reconstruction metrics (Tables 1 and 2)."""

    version: PositiveInt
    data: str
    """Validation set."""
    finetune_data: str
    """Validation set of the high-resolution chapter."""
    transfer: dict[str, str]
    """Name in Table 2 -> prepared set that plays it."""
    batch: PositiveInt
    showcase: PositiveInt
    """Reconstructions kept as pictures, the first of each set."""
    features: Features


class MatchingBench(Section):
    """Figure 5: what the quantiser adds to a reconstruction (reading 24)."""

    version: PositiveInt
    F: Literal[8, 16, 32]
    resolution: PositiveInt
    batch: PositiveInt
    repeats: PositiveInt
    """Timed pairs of a reconstruction with and without quantiser; the median is reported."""
    configs: tuple[PQConfig, ...]


class SpeedBench(Section):
    """Table 3: images per second and memory of a generator (reading 23)."""

    version: PositiveInt
    warmup: Count
    """Images before the clock starts."""
    repeats: PositiveInt
    """Images timed."""
    baseline_size: PositiveInt
    """Side of the unadapted backbone's images, pixels."""
