"""The format of a code file: codes of many images, as small as their bits allow.

Numbers are little-endian, texts UTF-8, b = ceil(log2 K):

    preamble   8 bytes MAGIC, 4 bytes format version, 4 bytes length of the header
    header     JSON: F, K, S, b as "bits", d, and the tokenizer: "model" its class, "quantiser" the kind of its
               quantiser if it is not the product quantiser, "network" a sha256 over its config and its tensors, as
               pqgan.tokenizer.identity says; in format 1 "weights", the sha256 of each of its files
    payload    each image's codes (S, h, w) in C order, packed as pqgan.quantise.packing says and filled up to a byte:
               ceil(S*h*w*b / 8) bytes an image, in the order of the index
    index      a line of JSON an image: name, width and height in pixels, h = ceil(height / F) and w = ceil(width / F)
    footer     8 bytes length of the index, 32 bytes sha256 of everything before them

The sha256 is over the length of the index too. Where an image's codes begin follows from the index. What an image lacks
to h*F x w*F pixels was added below it and to its right before it was encoded.
"""

import json
import struct
from pathlib import PurePosixPath
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from .packing import LARGEST_K, SMALLEST_K, bits_of, packed_size

MAGIC = b"\x89PQC\r\n\x1a\n"
"""As PNG's: no text, and other bytes once something has converted line ends."""
VERSION = 2
READABLE = (1, 2)
"""Format versions."""
PREAMBLE = struct.Struct("<8sII")
FOOTER = struct.Struct("<Q32s")
LONGEST_HEADER = 1 << 20
LONGEST_NAME = 4096
LONGEST_LINE = 1 << 15
"""Bytes of an image in the index: the longest name, every byte of it escaped."""

Size = Annotated[int, Field(ge=1, le=1 << 30, strict=True)]


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    def json_bytes(self) -> bytes:
        """The same bytes for the same values."""
        content = self.model_dump(exclude_defaults=True)
        return json.dumps(content, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode()


class Header(_Record):
    """What all codes of a file have in common."""

    F: Size
    K: Annotated[int, Field(ge=SMALLEST_K, le=LARGEST_K, strict=True)]
    S: Size
    bits: Size
    d: Size
    model: str
    """Class of the tokenizer."""
    quantiser: str = ""
    """Kind of its quantiser; empty for the product quantiser, of which vector quantisation is a case."""
    network: str = ""
    """sha256 over its config and tensors; empty in format 1."""
    weights: dict[str, str] = Field(default={})
    """sha256 of each of its weight files, in format 1."""

    @model_validator(mode="after")
    def _fits_together(self) -> "Header":
        if self.bits != bits_of(self.K):
            raise ValueError(f"bits is {self.bits}; K={self.K} takes {bits_of(self.K)}")
        if bool(self.network) == bool(self.weights):
            raise ValueError("expected either network or weights, to say which tokenizer's codes these are")
        if self.d % self.S and not self.quantiser:
            raise ValueError(f"S={self.S} does not divide d={self.d}")
        return self


def name_flaw(name: str) -> str | None:
    """Why a code file cannot hold an image of that name, or None."""
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\\" in name or "\0" in name:
        return "a name that may lead out of its folder"
    if not path.parts or path.as_posix() != name:
        return "no name, or not the plainest form of one"
    return "too long a name" if len(name.encode()) > LONGEST_NAME else None


class Entry(_Record):
    """An image of a code file."""

    h: Size
    height: Size
    name: str
    """Relative, with slashes."""
    w: Size
    width: Size

    @model_validator(mode="after")
    def _name_stays_inside(self) -> "Entry":
        if flaw := name_flaw(self.name):
            raise ValueError(flaw)
        return self

    def fits(self, F: int) -> bool:
        """Whether a tokenizer of factor F makes h x w latents of such an image."""
        return (self.h, self.w) == (-(-self.height // F), -(-self.width // F))

    def packed_size(self, header: Header) -> int:
        """Bytes of its codes."""
        return packed_size(header.S * self.h * self.w, header.K)


def reason(error: ValidationError) -> str:
    """The first thing that is wrong, for one line."""
    first = error.errors(include_input=False)[0]
    what = first["msg"].removeprefix("Value error, ")
    return ": ".join([*map(str, first["loc"]), what])
