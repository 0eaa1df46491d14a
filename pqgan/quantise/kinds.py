"""Every quantiser, by the name of its kind."""

from collections.abc import Mapping
from inspect import signature
from typing import Any

from .base import Quantiser
from .finite_scalar import FiniteScalarQuantiser
from .product import ProductQuantiser
from .residual import ResidualQuantiser

QUANTISERS: dict[str, type[Quantiser]] = {
    cls.kind: cls for cls in (ProductQuantiser, ResidualQuantiser, FiniteScalarQuantiser)
}


def make_quantiser(d: int, options: Mapping[str, Any], **training: Any) -> Quantiser:
    """A quantiser with freshly drawn codebooks.

    Args:
        d: latent channels.
        options: its kind, and what its class is made with besides d.
        training: how codebooks start and learn (init, beta, beta_on), for a quantiser that has any.

    Raises:
        ValueError: no such kind, or options that it has not or cannot have; says which.
    """
    given = dict(options)
    kind = given.pop("kind", None)
    if kind not in QUANTISERS:
        raise ValueError(f"quantiser: kind is {kind!r}; expected {', '.join(QUANTISERS)}")
    made = QUANTISERS[kind]
    if "channel_last" in given:
        raise ValueError(f"quantiser {kind}: got channel_last; the latents of a model are (B, d, h, w)")
    if wrong := sorted(training.keys() & given.keys()):
        raise ValueError(f"quantiser {kind}: got {', '.join(wrong)}; these are the model's own options")
    known = signature(made).parameters
    given = {key: value for key, value in training.items() if key in known} | given
    try:
        return made(d, **given)
    except TypeError as error:
        raise ValueError(f"quantiser {kind}: {error}") from None
