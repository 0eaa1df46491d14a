"""Figures, by item."""

from pqgan.plan import Plan
from pqgan.settings import Settings

from ..contents import SAMPLE_GRIDS
from ..results import Results
from . import matching, samples, schematic, showcase, sweep
from .style import Picture, style

_FIGURES = {
    "figure1": showcase.figure1,
    "figure2": schematic.figure2,
    "figure3": sweep.figure3,
    "figure4": samples.figure4,
    "figure5": matching.figure5,
    "figure6": sweep.figure6,
    "figure7": showcase.figure7,
    "figure_ldm": samples.figure_ldm,
}


def make(settings: Settings, plan: Plan, item: str, results: Results) -> Picture:
    """A figure from its results."""
    with style():
        if item in SAMPLE_GRIDS:
            return samples.grid(settings, results, item)
        return _FIGURES[item](settings, plan, results)
