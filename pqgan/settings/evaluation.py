"""Evaluation: sets, feature networks, benches."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from pqgan.baselines import PUBLISHED

from .base import Channels, Count, Layers, PositiveInt, Section, Seed, Side
from .codecs import CodecName
from .configurations import CodebookShape, PQConfig
from .names import DOUBLE, VALIDATION, Name, Named, Role, each_once, shown

HIGH_RESOLUTION = (VALIDATION, DOUBLE)
"""Roles of the sets of the high-resolution chapter."""


class RandomClip(Section):
    """A small CLIP image tower of the real class with seeded random weights."""

    source: Literal["random"]
    hidden: Channels
    layers: Layers
    heads: Layers
    patch: PositiveInt
    image_size: Side
    """Side of its input, pixels."""
    projection: Channels


class HubClip(Section):
    """The published CLIP image tower of CMMD; the sha256 of its file is pinned in pqgan/weights/catalogue.py."""

    source: Literal["hub"]
    model: Literal["openai/clip-vit-large-patch14-336"]
    revision: str
    """Commit that it is fetched from."""

    @property
    def shape(self) -> RandomClip:
        """Of the tower, ViT-L/14 at 336 pixels."""
        return RandomClip(source="random", hidden=1024, layers=24, heads=16, patch=14, image_size=336, projection=768)


class Features(Section):
    """The networks that metrics and the perceptual loss look through."""

    weights: Literal["random", "pretrained"]
    """random needs no download; every table then says that its numbers come from random features."""
    seed: Seed = 0
    """Of random weights."""
    perceptual: Literal["vgg", "alex", "squeeze"]
    """LPIPS backbone of the training loss (VGG in VQGAN)."""
    lpips: tuple[Literal["vgg", "alex", "squeeze"], ...]
    """LPIPS backbones of the evaluation."""
    fid_input: Annotated[int, Field(ge=75, le=2**16, strict=True)]
    """Side that images are resized to before InceptionV3, pixels; 299 in every published protocol."""
    clip: Annotated[RandomClip | HubClip, Field(discriminator="source")]


Published = Literal[tuple(PUBLISHED)]
"""Name of a published tokenizer."""


def published_factor(name: str) -> int:
    """Downsampling factor F of a published tokenizer."""
    return PUBLISHED[name].F


def is_continuous(name: str) -> bool:
    """Whether a published tokenizer quantises nothing."""
    return PUBLISHED[name].K is None


def is_of_the_authors(name: str) -> bool:
    """Whether a published tokenizer is the paper's own, and no baseline of it."""
    return PUBLISHED[name].kind == "pq"


class SecondReading(Section):
    """The validation set once more, by another reading: a second block of columns in Table 1."""

    reading: str
    """Name of an entry of readings: its ways to compute metrics, and the role of the set in records."""
    data: str
    """Prepared set of the same images, by the geometry of that reading."""


def _has_both_resolutions(sets: dict[str, str]) -> dict[str, str]:
    if set(sets) != set(HIGH_RESOLUTION):
        raise ValueError(f"has {', '.join(map(shown, sets)) or 'no role'}; allowed: {' and '.join(HIGH_RESOLUTION)}")
    return {role: sets[role] for role in HIGH_RESOLUTION}


class EvaluationSection(Section):
    """Reconstruction metrics (Tables 1 and 2)."""

    data: str
    """Validation set."""
    second: SecondReading | None = None
    """null: one reading alone."""
    high_resolution: Annotated[dict[str, str], AfterValidator(_has_both_resolutions)]
    """Role -> prepared set of the high-resolution chapter (section 4.5, appendix E): `val` at the resolution of
    fine-tuning, `double` at twice its side.
    """
    continuous: Annotated[tuple[Name, ...], Field(min_length=1), AfterValidator(each_once)]
    """What the fine-tuned tokenizers are compared with there: backbone-vae, published tokenizers or KL configurations.
    The first plays the Stable Diffusion VAE of Figures 1 and 7.
    """
    transfer: Named[Role, str]
    """Name in Table 2 -> prepared set that plays it."""
    transfer_apart: bool = False
    """Whether sets of Table 2 are measured by jobs of their own, one a set, so that Table 1 does not wait for them."""
    published: Annotated[tuple[Published, ...], AfterValidator(each_once)] = ()
    """Published tokenizers that are measured too (reading 30); what is left out stays as the paper reports it."""
    codecs: Annotated[tuple[CodecName, ...], AfterValidator(each_once)] = ()
    """Image codecs at bits a pixel that are measured on the validation set too (not in the paper)."""
    batch: PositiveInt
    """Images of the validation set at a time; of larger ones as many fewer as they have more pixels, at least one."""
    showcase: PositiveInt
    """Reconstructions kept as pictures, the first of each set."""
    features: Features


class SearchCase(CodebookShape):
    """A search for the nearest codewords by itself."""


class SearchBench(Section):
    """The search of every backend beside that of other libraries, on random latents and codewords."""

    positions: PositiveInt
    """Latent vectors of a search."""
    repeats: PositiveInt
    """Timed searches of each way; the median is reported."""
    cases: tuple[SearchCase, ...]


class MatchingBench(Section):
    """What matching costs in a reconstruction (Figure 5, reading 24), and the search beside others (figure_peers)."""

    F: Literal[8, 16, 32]
    resolution: Side
    batches: Annotated[tuple[PositiveInt, ...], Field(min_length=1)]
    precision: Literal["32-true", "bf16-mixed"]
    """Of encoder and decoder; the quantiser computes in fp32."""
    repeats: PositiveInt
    """Timed reconstructions, each with and without quantiser in turns; medians and the ratio of means are reported."""
    configs: tuple[PQConfig, ...]
    search: SearchBench

    @model_validator(mode="after")
    def _configurations_have_its_factor(self) -> "MatchingBench":
        for config in self.configs:
            if config.F != self.F:
                raise ValueError(f"configs has {config.name}; allowed: those of F={self.F}, as matching.F says")
        return self


class SpeedBench(Section):
    """Table 3: images per second and memory of a generator (reading 23)."""

    warmup: Count
    """Images before the clock starts."""
    repeats: PositiveInt
    """Images timed."""
    baseline_size: Side
    """Side of the unadapted backbone's images, pixels."""
