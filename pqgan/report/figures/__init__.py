"""Figures, by item."""

from pqgan.plan import Plan
from pqgan.settings import Settings

from .. import contents, generators
from ..contents import SAMPLES
from ..generators import GRIDS
from ..results import Results
from . import samples
from .style import Picture, note, style


def make(settings: Settings, plan: Plan, item: str, results: Results) -> Picture:
    """A figure from its results."""
    with style():
        if item in SAMPLES and not generators.variants(settings, item):
            return note(settings, contents.title(settings, item), generators.lacking(settings, item))
        if item in GRIDS:
            return samples.grid(settings, results, item)
        return contents.maker(item)(settings, plan, results)
