"""Plain text as LaTeX that prints the same, in the fonts that every LaTeX has."""

import re
import unicodedata

from .text import one_line, spelled

_CHARACTERS = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"$<$",
    ">": r"$>$",
    "|": r"$|$",
    "–": "--",
    "—": "---",
    "−": "$-$",
    "×": r"$\times$",
    "÷": r"$\div$",
    "·": r"$\cdot$",
    "↑": r"$\uparrow$",
    "↓": r"$\downarrow$",
    "→": r"$\rightarrow$",
    "∞": r"$\infty$",
    "≥": r"$\geq$",
    "≤": r"$\leq$",
    "≠": r"$\neq$",
    "≈": r"$\approx$",
    "±": r"$\pm$",
    "√": r"$\surd$",
    "Σ": r"$\Sigma$",
    "σ": r"$\sigma$",
    "²": r"$^2$",
    "µ": r"$\mu$",
    "μ": r"$\mu$",
    "°": r"$^\circ$",
    "…": r"\ldots{}",
    "‘": "`",
    "’": "'",
    "“": "``",
    "”": "''",
    "ß": r"\ss{}",
    "æ": r"\ae{}",
    "Æ": r"\AE{}",
    "œ": r"\oe{}",
    "Œ": r"\OE{}",
    "ø": r"\o{}",
    "Ø": r"\O{}",
    "ł": r"\l{}",
    "Ł": r"\L{}",
    "ı": r"\i{}",
    "£": r"\pounds{}",
    "§": r"\S{}",
    "©": r"\copyright{}",
}
_ACCENTS = {
    "\u0300": "`",
    "\u0301": "'",
    "\u0302": "^",
    "\u0303": "~",
    "\u0304": "=",
    "\u0306": "u",
    "\u0307": ".",
    "\u0308": '"',
    "\u030a": "r",
    "\u030b": "H",
    "\u030c": "v",
    (_CEDILLA := "\u0327"): "c",
}
"""Combining marks, and the command that sets each on a letter."""
_SUPERSCRIPTS = str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789")
_PIECES = re.compile("([⁻⁰¹³⁴⁵⁶⁷⁸⁹][⁻⁰¹²³⁴⁵⁶⁷⁸⁹]*|²[⁻⁰¹²³⁴⁵⁶⁷⁸⁹]+)")
_JOINED = re.compile(r"(?<=[-`',!?])(?=[-`',])")
"""Between characters that LaTeX makes one of: two hyphens are a dash, two accents a quotation mark."""


def escape(text: str) -> str:
    """Plain text as LaTeX; characters that its fonts lack stand by number."""
    pieces = []
    for number, piece in enumerate(_PIECES.split(spelled(one_line(text), _is_known))):
        if number % 2:
            pieces.append(f"$^{{{piece.translate(_SUPERSCRIPTS)}}}$")
        else:
            pieces.append("{}".join("".join(map(_character, part)) for part in _JOINED.split(piece)))
    whole = "".join(pieces)
    # the end of the row above would take these for its own arguments
    return "{}" + whole if whole.lstrip().startswith(("[", "*")) else whole


def _is_known(character: str) -> bool:
    ascii_, superscript = " " <= character <= "~", character in "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"
    return ascii_ or superscript or character in _CHARACTERS or bool(_accented(character))


def _character(character: str) -> str:
    return _CHARACTERS.get(character) or _accented(character) or character


def _accented(character: str) -> str:
    """A letter under its accents; empty where it is none, or an accent is not to be had."""
    letter, *marks = unicodedata.normalize("NFD", character)
    if not marks or not letter.isascii() or not set(marks) <= set(_ACCENTS):
        return ""
    made = letter
    for mark in marks:
        dotless = made in ("i", "j") and mark != _CEDILLA  # the accent takes the place of the dot
        made = f"\\{_ACCENTS[mark]}{{{chr(92) * dotless}{made}}}"
    return made
