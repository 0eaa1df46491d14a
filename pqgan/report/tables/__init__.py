"""The claims, Tables 1 to 5 and the sweep, by item."""

from pqgan.plan import Plan
from pqgan.settings import Settings

from .. import contents
from ..results import Results
from .table import Table


def make(settings: Settings, plan: Plan, item: str, results: Results) -> Table:
    """A table from its results."""
    return contents.maker(item)(settings, plan, results)
