"""How every figure looks, and how it becomes files."""

import io
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.colors import Colormap, LinearSegmentedColormap
from matplotlib.figure import Figure

from pqgan.records import Measurement

from ..wording import random_networks

DOUBLE = 7.0
"""Width of two text columns, inches."""
DPI = 200
INK, MUTED, FAINT = "#1b1f24", "#5c6670", "#d6dade"
ACCENT, FRAME = "#c2410c", "#ffe14d"

_STYLE = {
    "font.family": "DejaVu Sans",
    "font.size": 8,
    "axes.titlesize": 8,
    "axes.labelsize": 8,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "legend.fontsize": 7,
    "legend.title_fontsize": 7,
    "figure.titlesize": 9.5,
    "figure.titleweight": "bold",
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": MUTED,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": FAINT,
    "grid.linewidth": 0.5,
    "legend.frameon": False,
    "lines.linewidth": 1.0,
    "savefig.dpi": DPI,
    "figure.dpi": DPI,
    "pdf.fonttype": 3,  # subset of type 42 is named after a salted hash, so its bytes differ between runs
}


@dataclass
class Picture:
    """A drawn figure and what the page says of it."""

    figure: Figure
    title: str
    caption: str
    alt: str
    measurements: list[Measurement] = field(default_factory=list)

    def content(self) -> dict[str, Any]:
        """As JSON values."""
        return {
            "kind": "figure",
            "title": self.title,
            "caption": self.caption,
            "alt": self.alt,
            "random_networks": random_networks(self.measurements),
        }


@contextmanager
def style() -> Iterator[None]:
    """The settings of matplotlib inside which figures are drawn and saved."""
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(_STYLE)
        yield


def new_figure(width: float, height: float, title: str, footer: str) -> Figure:
    """A figure of a size in inches, with its title above and its small print below."""
    figure = Figure(figsize=(width, height), layout="constrained")
    figure.suptitle(wrapped(title, width, 9.5))
    figure.supxlabel(wrapped(footer, width, 6), x=0.01, ha="left", fontsize=6, color=MUTED)
    return figure


def wrapped(text: str, width: float, size: float) -> str:
    """Text in lines that fit a width in inches at a font size in points."""
    # DejaVu Sans is on average 0.58 em wide
    return textwrap.fill(text, max(8, int(width * 72 / (0.58 * size))))


def subspaces_map() -> Colormap:
    """viridis without its palest end, which white paper swallows: readable without colour vision and in grey."""
    return LinearSegmentedColormap.from_list("subspaces", mpl.colormaps["viridis"](np.linspace(0, 0.9, 256)))


def files(picture: Picture) -> dict[str, bytes]:
    """The figure as pdf and png; the same bytes every time."""
    written = {}
    with style():
        for kind, metadata in (("pdf", {"CreationDate": None}), ("png", {"Software": None})):
            file = io.BytesIO()
            picture.figure.savefig(file, format=kind, metadata=metadata)
            written[kind] = file.getvalue()
    return written
