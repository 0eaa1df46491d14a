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
from matplotlib.font_manager import findfont, get_font
from matplotlib.text import Text

from pqgan.records import Measurement
from pqgan.settings import Settings

from ..text import one_line, spelled
from ..wording import caption, footer, random_networks, run_of

FONT = "DejaVu Sans"
"""That comes with matplotlib."""

DOUBLE = 7.0
"""Width of two text columns, inches."""
DPI = 200
LINES = 12
"""Of a text, at most; a longer one is cut short, and stands in full in the words beside the figure."""
INK, MUTED, FAINT = "#1b1f24", "#5c6670", "#d6dade"
ACCENT, FRAME = "#c2410c", "#ffe14d"

_STYLE = {
    "font.family": FONT,
    "text.parse_math": False,  # a dollar in a prompt is a dollar; what is mathematics says so
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


def new_figure(width: float, height: float, title: str, small_print: str) -> Figure:
    """A figure of a size in inches, with its title above and its small print below."""
    figure = Figure(figsize=(width, height), layout="constrained")
    figure.suptitle(wrapped(title, width, 9.5))
    figure.supxlabel(wrapped(small_print, width, 6), x=0.01, ha="left", fontsize=6, color=MUTED)
    return figure


def note(settings: Settings, title: str, says: str) -> Picture:
    """A figure of one sentence, where a scale has nothing that the figure could show."""
    figure = new_figure(DOUBLE, 1.0, title, footer(settings, "nothing to show (n = 0)"))
    axes = figure.add_subplot()
    axes.set_axis_off()
    axes.text(0.5, 0.5, wrapped(says, DOUBLE - 0.6, 8), ha="center", va="center", transform=axes.transAxes)
    rest = f"Nothing was drawn: {run_of(settings)}, n = 0 images, no feature networks."
    return Picture(figure, title, caption(says, rest), says)


def wrapped(text: str, width: float, size: float, lines: int = LINES) -> str:
    """Text in lines, at most so many, that fit a width in inches at a font size in points."""
    # DejaVu Sans is on average 0.58 em wide
    broad = max(8, int(width * 72 / (0.58 * size)))
    return textwrap.fill(drawable(text), broad, max_lines=lines, placeholder=" …")


def drawable(text: str) -> str:
    """Lines of text as the font has them; what it lacks stands by number."""
    glyphs = get_font(findfont(FONT))
    lines = [one_line(line) for line in text.split("\n")]
    return "\n".join(spelled(line, lambda character: glyphs.get_char_index(ord(character)) > 0) for line in lines)


def subspaces_map() -> Colormap:
    """viridis without its palest end, which white paper swallows: readable without colour vision and in grey."""
    return LinearSegmentedColormap.from_list("subspaces", mpl.colormaps["viridis"](np.linspace(0, 0.9, 256)))


def files(picture: Picture) -> dict[str, bytes]:
    """The figure as pdf and png; the same bytes every time."""
    written = {}
    with style():
        for text in picture.figure.findobj(Text):
            if not text.get_parse_math():
                text.set_text(drawable(text.get_text()))
        for kind, metadata in (("pdf", {"CreationDate": None}), ("png", {"Software": None})):
            file = io.BytesIO()
            picture.figure.savefig(file, format=kind, metadata=metadata)
            written[kind] = file.getvalue()
    return written
