"""What the records of a plan's results hold besides their numbers: what tables and figures read of each kind."""

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, NonNegativeInt, PositiveInt, model_validator

from pqgan.chapters import CHAPTERS
from pqgan.settings.configurations import BY_KIND


def code_bits(K: int) -> int:
    """Bits that a code of K words takes as stored: ceil(log2 K)."""
    return (K - 1).bit_length()


def bits_per_pixel(F: int, S: int, K: int) -> float:
    """Of an image as its codes, without entropy coding: S ceil(log2 K) bits for each of its latent pixels."""
    return S * code_bits(K) / F**2


def stored_as(subject: Mapping[str, Any]) -> tuple[int, int] | None:
    """What is kept of each latent pixel of a tokenizer: how many symbols, and of how many words each is.

    S codes of K words; d bytes where latents are rounded to bytes, as AutoencoderTiny stores them; None where there is
    nothing of the kind: continuous latents have no size of their own, and a codec has no latents.
    """
    if subject.get("K") is not None and subject.get("S") is not None:
        return subject["S"], subject["K"]
    return (subject["d"], 256) if subject.get("kind") == "tiny" else None


def stored_bits(subject: Mapping[str, Any]) -> float | None:
    """Bits a pixel of an image as a tokenizer stores it; None where `stored_as` is."""
    stored = stored_as(subject)
    return None if stored is None else bits_per_pixel(subject["F"], *stored)


class Facts(BaseModel):
    """Values that are read as they stand, so that no text counts as a number."""

    model_config = ConfigDict(strict=True)


class Encoded(Facts):
    """How a codec writes the files of a set."""

    quality: NonNegativeInt
    subsampling: str


class Reconstruction(Facts):
    """A tokenizer, or a codec, which has neither F nor d."""

    kind: str
    """As in params.yaml; tiny and codec of what is not trained here."""
    F: PositiveInt | None = None
    d: PositiveInt | None = None
    S: PositiveInt | None = None
    K: PositiveInt | None = None
    shortcut: Literal["linear", "linear_alone"] | None = None
    """A linear path around the trunk, or in its place; neither is in the paper."""
    published: str | None = None
    method: str | None = None
    latent: str | None = None
    library: str | None = None
    encoded: dict[str, Encoded] | None = None

    @model_validator(mode="after")
    def _is_complete(self) -> "Reconstruction":
        if self.kind not in (*BY_KIND, "tiny", "codec"):
            raise ValueError(f"kind is {self.kind!r}; expected {', '.join(BY_KIND)}, tiny or codec")
        if self.kind == "codec":
            if None in (self.method, self.library, self.encoded):
                raise ValueError("no method, library or encoded, which a codec has")
            return self
        if None in (self.F, self.d):
            raise ValueError("no F or d, which a tokenizer has")
        if self.kind in BY_KIND and BY_KIND[self.kind].network == "pq" and None in (self.S, self.K):
            raise ValueError("no S or K, which a quantised tokenizer has")
        if self.published is not None and None in (self.method, self.latent):
            raise ValueError("no method or latent, which a published tokenizer has")
        return self


class Generation(Facts):
    """A latent diffusion model."""

    method: str
    F: PositiveInt
    d: PositiveInt
    latent: str
    unet_parameters: PositiveInt
    train_steps: PositiveInt
    batch: PositiveInt


class Speed(Facts):
    """A generator."""

    F: PositiveInt
    d: PositiveInt
    image_size: PositiveInt
    latent_size: PositiveInt
    unet_parameters: PositiveInt | None = None


class LeftOut(Facts):
    """A way to search that was not measured."""

    way: str
    why: str
    cases: list[dict[str, Any]]


class Matching(Facts):
    """The searches of a bench."""

    F: PositiveInt
    resolution: PositiveInt
    batches: list[PositiveInt]
    positions: PositiveInt
    backend: str
    searches: NonNegativeInt
    left_out: list[LeftOut]


class Searched(Facts):
    """Conditions of a measurement of matching."""

    d: PositiveInt
    S: PositiveInt
    K: PositiveInt
    batch: PositiveInt | None = None
    resolution: PositiveInt | None = None
    positions: PositiveInt | None = None
    way: str = ""

    @model_validator(mode="after")
    def _is_complete(self) -> "Searched":
        if self.batch is None and (self.positions is None or not self.way):
            raise ValueError("neither the batch of a reconstruction, nor positions and way of a search")
        return self


SUBJECTS: dict[str, type[Facts]] = {
    "reconstruction": Reconstruction,
    "generation": Generation,
    "speed": Speed,
    "matching": Matching,
}
"""Kind of record -> what its subject must hold."""

KINDS = {chapter.name: chapter.record for chapter in CHAPTERS.values() if chapter.record}
"""Chapter whose results are records -> their kind."""
