"""Names that people give to scales, readings, sets, roles, variants and latents; they become paths."""

import re
import reprlib
from collections.abc import Mapping
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BeforeValidator

NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9_.+-]{0,98}[A-Za-z0-9+])?")
"""Of a folder everywhere; `-` and a digest, a stage or a size may follow it, so it ends in none of `-`, `.` and `_`."""
STAGE = re.compile(r"-stage\d+$", re.IGNORECASE)
"""What follows a variant's name in the chapter of adaptations."""
BASELINE = "SDv2.1"
"""The unadapted backbone among the generators of Table 3, as the paper calls it."""
BACKBONE_VAE = "backbone-vae"
"""The backbone's own tokenizer."""
SELECTED = "selected-"
"""Before a factor F: the tokenizer that was selected for it, as a latent of the LDM chapter names it."""
VALIDATION = "val"
"""The role of the validation set, beside those of Table 2."""
DOUBLE = "double"
"""The role of the set at twice the resolution of fine-tuning."""


def selected_factor(tokenizer: str) -> int | None:
    """F of selected-F; None for a tokenizer that has a name of its own."""
    _, is_selected, factor = tokenizer.partition(SELECTED)
    return int(factor) if is_selected and factor.isdecimal() else None


class _Short(reprlib.Repr):
    def repr_int(self, value: int, level: int) -> str:
        # Python writes no number of thousands of digits
        return super().repr_int(value, level) if value.bit_length() < 300 else f"a number of {value.bit_length()} bits"


_short = _Short()
_short.maxstring = _short.maxother = 100


def shown(value: Any) -> str:
    """A value as a message shows it, however long or deep it is."""
    return _short.repr(value)


def _is_name(value: Any) -> str:
    if not isinstance(value, str):
        kind = type(value).__name__
        raise ValueError(f"allowed: a name; YAML takes this for a value of type {kind}, unless it stands in quotes")
    if not NAME.fullmatch(value):
        raise ValueError(
            "allowed: a name of letters a to z, digits and _ . + -, at most 100 of them, that begins with a letter or "
            "digit and ends in neither _ nor . nor -"
        )
    return value


def _is_variant(value: str) -> str:
    if STAGE.search(value):
        raise ValueError("allowed: a name that does not end as the stages of a variant do, in -stage1 or -stage2")
    if value.casefold() == BASELINE.casefold():
        raise ValueError(f"allowed: another name than {BASELINE}, which the backbone has in Table 3")
    return value


def _is_role(value: str) -> str:
    if value.casefold() == VALIDATION:
        raise ValueError(f"allowed: another name than {VALIDATION}, which the validation set has")
    return value


def each_once(names: tuple[str, ...]) -> tuple[str, ...]:
    """The names as they are.

    Raises:
        ValueError: one stands there more than once.
    """
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"has {name} more than once; allowed: each once")
    return names


def _differ(named: Mapping[str, Any]) -> Mapping[str, Any]:
    known: dict[str, str] = {}
    for name in named:
        other = known.setdefault(name.casefold(), name)
        if other != name:
            raise ValueError(
                f"{other} and {name} are one folder where capitals make no difference; allowed: other names"
            )
    return named


Name = Annotated[str, BeforeValidator(_is_name)]
VariantName = Annotated[Name, AfterValidator(_is_variant)]
Role = Annotated[Name, AfterValidator(_is_role)]

Key, Value = TypeVar("Key"), TypeVar("Value")
Named = Annotated[dict[Key, Value], AfterValidator(_differ)]
"""A mapping by name; no two names differ in capitals alone."""
