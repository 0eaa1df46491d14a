"""Text that people write, such as prompts and names of methods, as something that can be shown."""

import re
import unicodedata
from collections.abc import Callable
from typing import Any

REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
"""Stands for what is no character: of control, half of a pair, or turning round what follows."""
_TURNING = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f\u061c")


def one_line(text: str) -> str:
    """Line breaks and tabs as blanks, accents one with their letters, and nothing that acts on a screen or a file."""
    text = unicodedata.normalize("NFC", text.replace("\r\n", "\n"))
    return "".join(map(_shown, text))


def _shown(character: str) -> str:
    if character.isspace():
        return " "
    return REPLACEMENT if unicodedata.category(character) in ("Cc", "Cs") or character in _TURNING else character


def spelled(text: str, known: Callable[[str], bool]) -> str:
    """Text in which characters that a font lacks stand by number: [U+732B U+3068]."""
    pieces: list[str] = []
    missing: list[str] = []
    for character in (*text, ""):
        if character and not known(character):
            missing.append(f"U+{ord(character):04X}")
            continue
        if missing:
            pieces.append(f"[{' '.join(missing)}]")
            missing = []
        pieces.append(character)
    return "".join(pieces)


def cleaned(value: Any) -> Any:
    """JSON values whose texts are each one line."""
    if isinstance(value, str):
        return one_line(value)
    if isinstance(value, dict):
        return {key: cleaned(below) for key, below in value.items()}
    return [cleaned(below) for below in value] if isinstance(value, list | tuple) else value


_MARKS = re.compile(
    r"[\\`*~]|\](?=[(\[:])|(?<!\w)_|_(?!\w)|^[#>=]|^[-+](?=[-+\s]|$)|(?<=^\d)[.)](?=\s)|(?<=^\d\d)[.)](?=\s)"
)
"""What begins something in Markdown where it stands."""
_ENTITIES = {"<": "&lt;", "&": "&amp;", "$": "<span>$</span>"}


def markdown(text: object) -> str:
    """Plain text as Markdown of GitHub's kind that shows the same.

    It escapes what would begin something, and little else, so that the file stays readable as it is.
    """
    escaped = _MARKS.sub(r"\\\g<0>", one_line(str(text)))
    # a dollar would begin mathematics, and no backslash hinders it
    return re.sub(r"[<$]|&(?=#?\w+;)", lambda found: _ENTITIES[found[0]], escaped)
