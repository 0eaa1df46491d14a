"""The base of every settings class: frozen, no unknown keys, errors that say what is allowed."""

from difflib import get_close_matches
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from .names import shown

MOVED = {"version": "versions of code stand once, in `versions` at the top; of raw images it is data.raw"}
"""Keys of earlier files -> where what they said stands now."""
MOST = 10**12
"""Of anything that is counted: what is more was not meant."""


def _no_truth(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError("allowed: a number; YAML takes yes, no, on and off for truth values")
    return value


PositiveInt = Annotated[int, Field(gt=0, le=MOST, strict=True)]
Count = Annotated[int, Field(ge=0, le=MOST, strict=True)]
Seed = Annotated[int, Field(ge=0, lt=2**63, strict=True)]
Side = Annotated[int, Field(gt=0, le=2**16, strict=True)]
"""Of an image, pixels."""
Channels = Annotated[int, Field(gt=0, le=2**16, strict=True)]
Layers = Annotated[int, Field(gt=0, le=1000, strict=True)]
LARGEST_K = 2**24
"""Values of a code, at most: what code files keep."""
Codewords = Annotated[int, Field(ge=2, le=LARGEST_K, strict=True)]
"""In a codebook."""
Float = Annotated[float, BeforeValidator(_no_truth)]
PositiveFloat = Annotated[Float, Field(gt=0)]
Share = Annotated[Float, Field(ge=0, le=1)]


class Section(BaseModel):
    """A mapping of params.yaml: immutable, and refusing keys it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, use_attribute_docstrings=True)

    @model_validator(mode="before")
    @classmethod
    def _known_keys_only(cls, values: Any) -> Any:
        # pydantic's own message does not name the allowed keys, which is what a reader of the error needs
        if isinstance(values, dict):
            unknown = [key for key in values if key not in cls.model_fields]
            if unknown:
                close = get_close_matches(str(unknown[0]), cls.model_fields, n=1)
                hint = f"; did you mean {close[0]!r}?" if close else ""
                hint = f"; {MOVED[unknown[0]]}" if unknown[0] in MOVED else hint
                raise ValueError(f"unknown key {shown(unknown[0])}; allowed: {', '.join(cls.model_fields)}{hint}")
        return values
