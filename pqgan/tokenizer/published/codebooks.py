"""Codebooks as original checkpoints have them -> as our models and diffusers' have them."""

import re
from collections import Counter
from collections.abc import Mapping

import torch
from torch import Tensor

from pqgan.errors import DataError

State = Mapping[str, Tensor]

CODEBOOK = "quantize.embedding.weight"
"""VQGAN's (K, d)."""
FEATURES, PROJECTION = "tok_embeddings.weight", "codebook_projection"
"""VQGAN-LC's."""
STACKED = "quantiser.codebooks"
"""PQModel's (S, K, d/S)."""
ALIASES = ("vq_split", "quantize")
"""What the paper's authors call their product quantiser: one module with two names; a file has one of them or both."""
SUBSPACE = rf"({'|'.join(ALIASES)})\.embeddings\.(0|[1-9]\d*)\.weight"
"""The codebook (K, d/S) of a subspace in their files."""
DEAD = ("vq_standard.embedding.weight", *(f"{alias}.embedding.weight" for alias in ALIASES))
"""In their files too, (K, d), and never used: a vector quantiser that another setting would choose, and what the
product quantiser inherits from its class."""


def project_codebook(state: State, where: str) -> State:
    """VQGAN-LC's codebook, image features (K, 768) behind a trained linear map, as a plain one (K, d); else the same.

    Raises:
        DataError: part of the map is missing, or it does not fit the features.
    """
    if FEATURES not in state:
        return state
    rest = dict(state)
    try:
        parts = (rest.pop(FEATURES), rest.pop(f"{PROJECTION}.weight"), rest.pop(f"{PROJECTION}.bias"))
        features, weight, bias = (part.double() for part in parts)
        # float64, so that the bytes do not depend on how many threads sum
        codebook = torch.nn.functional.linear(features, weight, bias).float()  # (K, 768) -> (K, d)
    except (KeyError, RuntimeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise DataError(f"{where}: {FEATURES} has no linear {PROJECTION} that fits it ({reason})") from None
    return {**rest, CODEBOOK: codebook}


def stack_codebooks(state: State, d: int, where: str) -> State:
    """The codebooks of PQGAN's subspaces as one tensor (S, K, d/S), in order; without DEAD and the second name.

    Args:
        d: latent channels, which the subspaces share.

    Raises:
        DataError: a codebook is missing, left over, of another shape or type than the others, or differs from itself
            under its other name; or S of them make no d channels.
    """
    rest = {key: value for key, value in state.items() if key not in DEAD and not re.fullmatch(SUBSPACE, key)}
    books: dict[str, dict[int, Tensor]] = {}
    for key, value in state.items():
        if found := re.fullmatch(SUBSPACE, key):
            books.setdefault(found[1], {})[int(found[2])] = value
    for alias, own in books.items():
        _check_shapes(own, alias, d, where)
    if STACKED in rest:
        raise DataError(f"{where}: has besides {STACKED}; expected the codebooks of its subspaces alone")
    first, *others = books
    for other, number in [(other, number) for other in others for number in books[first]]:
        if not torch.equal(books[first][number], books[other][number]):
            raise DataError(
                f"{where}: {_name(first, number)} and {_name(other, number)} differ; expected one codebook under two "
                "names; get the file again"
            )
    return {**rest, STACKED: torch.stack([books[first][number] for number in sorted(books[first])])}


def _check_shapes(books: Mapping[int, Tensor], alias: str, d: int, where: str) -> None:
    shape = Counter(tuple(book.shape) for book in books.values()).most_common(1)[0][0]
    if len(shape) != 2 or not shape[1] or d % shape[1]:
        name = _name(alias, next(number for number, book in books.items() if book.shape == shape))
        raise DataError(f"{where}: {name} is {_told(shape)}; expected codewords (K, d/S) whose S widths make d={d}")
    subspaces = range(d // shape[1])
    if missing := [number for number in subspaces if number not in books]:
        raise DataError(f"{where}: lacks {_name(alias, missing[0])}; expected {len(subspaces)} codebooks, as d={d} has")
    for number, book in books.items():
        if number not in subspaces:
            raise DataError(f"{where}: has besides {_name(alias, number)}; expected {len(subspaces)}, as d={d} has")
        if book.shape != shape or not book.is_floating_point():
            what = f"{_told(book.shape)} of {book.dtype}"
            raise DataError(f"{where}: {_name(alias, number)} is {what}; expected floats {_told(shape)}, as the others")


def _name(alias: str, number: int) -> str:
    return f"{alias}.embeddings.{number}.weight"


def _told(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape)) or "a number"
