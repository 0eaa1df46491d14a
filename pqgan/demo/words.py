"""The page's words, as HTML: what users and files named is escaped."""

from collections.abc import Iterable, Mapping
from html import escape

import numpy as np

from .compute import Reconstruction, Way

HEADER = """<h1>Pictures as codes</h1>
<p>A tokenizer turns a picture into whole numbers, its codes, and those into a picture again. Drop one: it stays on the
machine that this page comes from.</p>"""
CODES = "<h2>Codes of one subspace</h2><p>A colour for each codeword; like words have like colours.</p>"
MIX = "<h2>Codes of two pictures, mixed</h2><p>Some codes of the picture above, A, the others of B.</p>"
NO_LPIPS = (
    "LPIPS is not measured: its network, AlexNet, is not on this machine, and nothing is downloaded here. "
    "docs/evaluation.md says where it is looked for."
)


def line(text: str) -> str:
    return f"<p>{escape(text)}</p>" if text else ""


def failed(error: Exception) -> str:
    """An error, as the page shows it."""
    text = "out of memory; give a smaller picture" if isinstance(error, MemoryError) else str(error)
    return f'<p class="error">{escape(text)}</p>'


def said(picture: str, *, lpips: bool) -> str:
    """What was done to the picture, and what cannot be measured."""
    return line(f"Your picture: {picture}." if picture else "") + ("" if lpips else line(NO_LPIPS))


def left_out(lines: Iterable[str]) -> str:
    return "".join(line(f"Left out: {each}") for each in lines)


def table(made: Mapping[str, Reconstruction], refused: Mapping[str, str], chosen: str) -> str:
    """A line of numbers for each model."""
    rows = [_row(name, _numbers(one), name == chosen) for name, one in made.items()]
    rows += [f'<tr><td>{escape(name)}</td><td colspan="4">{escape(why)}</td></tr>' for name, why in refused.items()]
    heads = "".join(f"<th>{head}</th>" for head in ("Model", "bits/pixel", "in all", "PSNR", "LPIPS"))
    return f"<table><thead><tr>{heads}</tr></thead><tbody>{''.join(rows)}</tbody></table>"


def _row(name: str, numbers: Iterable[str], chosen: bool) -> str:
    mark = ' class="chosen"' if chosen else ""
    cells = "".join(f"<td>{number}</td>" for number in numbers)
    return f"<tr{mark}><td>{escape(name)}</td>{cells}</tr>"


def _numbers(one: Reconstruction) -> tuple[str, ...]:
    return (
        "-" if one.bits is None else f"{one.bits_per_pixel:.3g}",
        "-" if one.bits is None else amount(one.bits),
        "exact" if np.isinf(one.psnr) else f"{one.psnr:.2f} dB",
        "-" if one.lpips is None else f"{one.lpips:.4f}",
    )


def amount(bits: int) -> str:
    """Bits as the bytes that hold them."""
    size = -(-bits // 8)
    return f"{size:,} B" if size < 10_000 else f"{size / 1000:,.1f} kB"


def of_codes(codes: np.ndarray, s: int, K: int) -> str:
    """What a map shows: codes (h, w) of subspace s."""
    h, w = codes.shape
    return line(f"Subspace {s}: {w} x {h} codes, {len(np.unique(codes)):,} of {K:,} codewords in use.")


def of_mixture(shape: tuple[int, int, int], share: float, way: Way) -> str:
    """Whose codes are where in a mixture of codes (S, h, w)."""
    S, _, w = shape
    whole, what = (S, "Subspaces") if way == "subspaces" else (w, "Columns")
    n = round(share * whole)
    parts = [f"{first} to {last} of {whose}" for first, last, whose in ((0, n - 1, "A"), (n, whole - 1, "B"))]
    return line(f"{what} {', '.join(parts if 0 < n < whole else parts[n == 0 :][:1])}.")
