"""What a sweep trains: configurations of every kind, and grids of them."""

from collections.abc import Iterator
from itertools import product
from math import prod
from typing import Annotated, Any, ClassVar, Literal, Self, get_args

from pydantic import Discriminator, Field, SerializerFunctionWrapHandler, Tag, model_serializer, model_validator

from .base import LARGEST_K, Channels, Codewords, PositiveFloat, Section, Seed

Factor = Literal[4, 8, 16, 32]
GRID = 20_000
"""Configurations of a grid, at most; each is a training of its own."""


class CodebookShape(Section):
    """Shape of a product quantiser: S=1 is VQ, S=d is scalar quantisation."""

    d: Channels
    """Latent channels."""
    S: Channels
    """Subspaces."""
    K: Codewords
    """Codewords per subspace."""

    @model_validator(mode="after")
    def _subspaces_divide(self) -> Self:
        if self.d % self.S:
            divisors = [s for s in range(1, self.d + 1) if self.d % s == 0]
            near = sorted(sorted(divisors, key=lambda s: abs(s - self.S))[:12])
            more = " and others" if len(near) < len(divisors) else ""
            raise ValueError(f"S={self.S} does not divide d={self.d}; allowed S: {', '.join(map(str, near))}{more}")
        return self


class Configuration(Section):
    """One tokenizer to train.

    With a seed of its own it is a replicate: it says how far apart two trainings of one configuration lie, and nothing
    but the claims reads it.
    """

    network: ClassVar[str]
    """Kind whose networks it has, and whose file in pqgan/tokenizer/kinds builds it."""
    method: ClassVar[str]
    latent: ClassVar[str]
    """As Table 1 calls them."""

    F: Factor
    """Downsampling factor."""
    seed: Seed | None = None
    """Of its training; null: the scale's."""

    @property
    def design(self) -> str:
        """Its name without the seed: replicates of one configuration share it."""
        raise NotImplementedError

    @property
    def name(self) -> str:
        return self.design if self.seed is None else f"{self.design}-seed{self.seed}"

    @property
    def for_claims(self) -> bool:
        """Whether nothing but the claims reads it."""
        return self.seed is not None

    @classmethod
    def smallest(cls, F: int, d: int) -> Self:
        """Of this shape with the fewest codewords, which make no difference to its networks."""
        codebooks = {key: value for key, value in {"S": 1, "K": 2}.items() if key in cls.model_fields}
        return cls(kind=kind_of(cls), F=F, d=d, **codebooks)

    @property
    def in_codebooks(self) -> int:
        """Numbers in its codebooks: S codebooks of K words of d/S, or one of K words of d."""
        return self.d * getattr(self, "K", 0)

    @property
    def search_products(self) -> int:
        """Products in the distances of a position to all codewords."""
        return self.in_codebooks

    @model_serializer(mode="wrap")
    def _only_what_is_set(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        # addresses are those of the time before there were seeds and paths
        absent = {"seed": None, "path": False}
        return {key: value for key, value in dump(self).items() if key not in absent or value != absent[key]}


class PQConfig(Configuration, CodebookShape):
    """A point of the sweep (section 4.2)."""

    network, method, latent = "pq", "PQGAN", "PQ"

    kind: Literal["pq"] = "pq"
    path: bool = False
    """Whether around the linear path of tokenizer.with_shortcut, which the claims show beside the trunk alone."""

    @property
    def design(self) -> str:
        return f"{'path-' if self.path else ''}f{self.F}-d{self.d}-S{self.S}-K{self.K}"

    @property
    def for_claims(self) -> bool:
        return self.path or super().for_claims

    @property
    def quantiser(self) -> dict[str, Any] | None:
        """As `PQModel` takes another than the product quantiser; None where it is that."""
        return None

    def images_for_codebooks(self, resolution: int) -> int:
        """Least number of images (side in pixels) that have a sub-vector for each of K codewords."""
        return -(-self.K // max(1, resolution // self.F) ** 2)


class LinearConfig(Configuration, CodebookShape):
    """Principal components of patches, product-quantised by k-means: no network, no gradient; not in the paper."""

    network, method, latent = "pq", "PCA + PQ, linear", "PQ"

    kind: Literal["linear"]

    @property
    def design(self) -> str:
        return f"linear-f{self.F}-d{self.d}-S{self.S}-K{self.K}"

    @property
    def twin(self) -> str:
        """Design of the product quantiser of the same shape."""
        return PQConfig(F=self.F, d=self.d, S=self.S, K=self.K).design


class RQConfig(Configuration):
    """A residual quantiser (Lee et al., CVPR 2022) in the product quantiser's place, on the same trunk."""

    network, method, latent = "pq", "RQ-VAE", "RQ"

    kind: Literal["rq"]
    d: Channels
    D: Channels
    """Depth: codes per position."""
    K: Codewords
    """Codewords, which all depths share."""

    @property
    def design(self) -> str:
        return f"rq-f{self.F}-d{self.d}-D{self.D}-K{self.K}"

    @property
    def S(self) -> int:
        """Codes per position."""
        return self.D

    @property
    def quantiser(self) -> dict[str, Any]:
        return {"kind": self.kind, "D": self.D, "K": self.K}

    @property
    def search_products(self) -> int:
        return self.D * self.in_codebooks


class FSQConfig(Configuration):
    """Finite scalar quantisation (Mentzer et al., ICLR 2024) in the product quantiser's place, on the same trunk."""

    network, method, latent = "pq", "FSQ", "FSQ"

    kind: Literal["fsq"]
    levels: Annotated[tuple[Codewords, ...], Field(min_length=1)]
    """Of each latent channel."""

    @model_validator(mode="after")
    def _codes_can_be_kept(self) -> Self:
        if self.K > LARGEST_K:
            raise ValueError(f"levels {list(self.levels)} make {self.K:,} codes; allowed: at most {LARGEST_K:,}")
        return self

    @property
    def design(self) -> str:
        return f"fsq-f{self.F}-L{'x'.join(map(str, self.levels))}"

    @property
    def d(self) -> int:
        return len(self.levels)

    @property
    def S(self) -> int:
        """Codes per position."""
        return 1

    @property
    def K(self) -> int:
        """Values of a code."""
        return prod(self.levels)

    @property
    def quantiser(self) -> dict[str, Any]:
        return {"kind": self.kind, "levels": list(self.levels)}

    @property
    def in_codebooks(self) -> int:
        return 0


class KLConfig(Configuration):
    """A continuous KL autoencoder on the same trunk (diffusers AutoencoderKL)."""

    network, method, latent = "kl", "LDM VAE", "KL"

    kind: Literal["kl"]
    d: Channels
    kl_weight: PositiveFloat = 1e-6

    @property
    def design(self) -> str:
        return f"kl-f{self.F}-d{self.d}"


class VQGANConfig(Configuration):
    """A plain VQGAN (diffusers VQModel) on the same trunk."""

    network, method, latent = "vqgan", "VQGAN", "VQ"

    kind: Literal["vqgan"]
    d: Channels
    K: Codewords

    @property
    def design(self) -> str:
        return f"vqgan-f{self.F}-d{self.d}-K{self.K}"

    @property
    def twin(self) -> str:
        """Design of the product quantiser of one subspace, which is the same tokenizer."""
        return PQConfig(F=self.F, d=self.d, S=1, K=self.K).design


AnyConfig = PQConfig | RQConfig | FSQConfig | LinearConfig | KLConfig | VQGANConfig
TokenizerConfig = Annotated[AnyConfig, Field(discriminator="kind")]
"""A baseline."""


def kind_of(config: type[Configuration]) -> str:
    """What a line of params.yaml names it by."""
    (kind,) = get_args(config.model_fields["kind"].annotation)
    return kind


BY_KIND: dict[str, type[Configuration]] = {kind_of(config): config for config in get_args(AnyConfig)}
"""By the kind that a line of params.yaml names."""

OTHER_QUANTISERS = [
    config for config in BY_KIND.values() if config.network == "pq" and config not in (PQConfig, LinearConfig)
]
"""In the product quantiser's place, on its trunks."""


def _quantiser_of(line: Any) -> Any:
    return line.get("kind", "pq") if isinstance(line, dict) else getattr(line, "kind", None)


SweepConfig = Annotated[
    Annotated[PQConfig, Tag("pq")] | Annotated[RQConfig, Tag("rq")] | Annotated[FSQConfig, Tag("fsq")],
    Discriminator(
        _quantiser_of,
        custom_error_type="kind",
        custom_error_message="kind: allowed in the sweep: pq, rq, fsq; kl, vqgan and linear are baselines",
    ),
]
"""A line of the sweep: a quantiser on the scale's trunks, the product quantiser where it names no kind."""


class Grid(Section):
    """A grid of section 4.2; S is a number or a fraction of d; what does not divide is left out."""

    F: tuple[Factor, ...]
    d: tuple[Channels, ...]
    S: tuple[Channels | Annotated[str, Field(pattern=r"^d(/[1-9]\d{0,4})?$")], ...]
    """Numbers, "d" or "d/8"."""
    K: tuple[Codewords, ...]

    @model_validator(mode="after")
    def _can_be_listed(self) -> Self:
        points = prod(len(axis) for axis in (self.F, self.d, self.S, self.K))
        if points > GRID:
            raise ValueError(f"the lists span {points:,} configurations; allowed: at most {GRID:,}")
        return self

    def configs(self) -> Iterator[PQConfig]:
        for F, d, s, K in product(self.F, self.d, self.S, self.K):
            if isinstance(s, str):
                divisor = int(s.partition("/")[2] or 1)
                if d % divisor:
                    continue
                s = d // divisor
            if d % s == 0:
                yield PQConfig(F=F, d=d, S=s, K=K)
