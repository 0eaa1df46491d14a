"""Figures, by item."""

from pqgan.plan import Plan
from pqgan.settings import Settings

from .. import contents, generators
from ..contents import SAMPLES
from ..generators import GRIDS
from ..results import Results
from . import bits, matching, peers, samples, schematic, showcase, sweep
from .style import Picture, note, style

_FIGURES = {
    "figure1": showcase.figure1,
    "figure2": schematic.figure2,
    "figure3": sweep.figure3,
    "figure4": samples.figure4,
    "figure5": matching.figure5,
    "figure6": sweep.figure6,
    "figure7": showcase.figure7,
    "figure_bits": bits.figure_bits,
    "figure_factors": sweep.figure_factors,
    "figure_finetuned": showcase.figure_finetuned,
    "figure_peers": peers.figure_peers,
    "figure_ldm": samples.figure_ldm,
}


def make(settings: Settings, plan: Plan, item: str, results: Results) -> Picture:
    """A figure from its results."""
    with style():
        if item in SAMPLES and not generators.variants(settings, item):
            return note(settings, contents.title(settings, item), generators.lacking(settings, item))
        if item in GRIDS:
            return samples.grid(settings, results, item)
        return _FIGURES[item](settings, plan, results)
