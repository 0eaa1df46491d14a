"""The claims, Tables 1 to 5 and the sweep, by item."""

from pqgan.plan import Plan
from pqgan.settings import Settings

from ..results import Results
from . import claims, generation, reconstruction, schedule, speed, sweep, transfer
from .table import Table

_TABLES = {
    "table_claims": claims.table_claims,
    "table1": reconstruction.table1,
    "table2": transfer.table2,
    "table3": speed.table3,
    "table4": schedule.table4,
    "table5": generation.table5,
    "table_sweep": sweep.table_sweep,
}


def make(settings: Settings, plan: Plan, item: str, results: Results) -> Table:
    """A table from its results."""
    return _TABLES[item](settings, plan, results)
