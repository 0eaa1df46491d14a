"""Image codecs to compare with, by name: jpeg@1.75 is JPEG at 1.75 bits a pixel (not in the paper)."""

import re
from typing import Annotated

from pydantic import AfterValidator

METHODS = {"jpeg": "JPEG", "webp": "WebP", "avif": "AVIF"}
"""Codec -> what tables call it."""
MOST = 24
"""Bits a pixel of an image without any coding."""
_NAME = re.compile(rf"({'|'.join(METHODS)})@(\d+(?:\.\d+)?)")


def parse(name: str) -> tuple[str, float]:
    """Codec and bits a pixel that a name asks for.

    Raises:
        ValueError: it is no such name.
    """
    found = _NAME.fullmatch(name)
    bits = float(found[2]) if found else 0
    if not 0 < bits <= MOST:
        raise ValueError(
            f"allowed: one of {', '.join(METHODS)} @ bits a pixel above 0 and up to {MOST}, such as jpeg@1.75"
        )
    return found[1], bits


def canonical(name: str) -> str:
    """The name as results have it: jpeg@1.5 for jpeg@1.50."""
    codec, bits = parse(name)
    return f"{codec}@{bits:g}"


CodecName = Annotated[str, AfterValidator(canonical)]
