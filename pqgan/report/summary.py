"""What the rendered tables measured, as nested numbers for `dvc metrics show` and `diff`: `pqgan summary`."""

import json
import re
from collections.abc import Iterable
from pathlib import Path

from pqgan.errors import DataError
from pqgan.items import Row, Rows
from pqgan.storage.atomic import write_text
from pqgan.storage.json_files import read_model, read_object
from pqgan.storage.outputs import check_file

NAMES = ("configuration", "generator", "model", "compared")
"""Columns that say what a row is of, the best one first."""


def run(tables: Iterable[Path], out: Path) -> None:
    """Write `table -> row -> column -> value`, of the rows that this run measured or computed.

    Args:
        tables: .json files of rendered tables.
        out: JSON file.

    Raises:
        SettingsError: `out` is there and no summary.
        DataError: a file is missing or no rendered table.
    """
    tables = list(tables)
    check_file(out, _is_summary, "an earlier summary")
    content = {path.stem: _measured(path) for path in tables}
    content = {name: rows for name, rows in content.items() if rows}
    write_text(out, json.dumps(content, indent=1, ensure_ascii=False) + "\n")


def _measured(path: Path) -> dict[str, dict[str, float]]:
    table = read_model(path, Rows, "a rendered table; make it again with snakemake")
    named = dict(_numbers(row) for row in table.rows if row.source != "reported")
    return {name: numbers for name, numbers in named.items() if numbers}


def _is_summary(path: Path) -> bool:
    """Whether a JSON file holds numbers by table, row and column, and nothing else."""
    try:
        content = read_object(path, "a summary")
        rows = [row for table in content.values() for row in table.values()]
        tables = all(re.fullmatch(r"table(\d+|_[a-z]+)", name) for name in content)
        return bool(rows) and tables and all(isinstance(value, int | float) for row in rows for value in row.values())
    except (DataError, AttributeError):
        return False


def _numbers(row: Row) -> tuple[str, dict[str, float]]:
    cells = row.cells
    name = next((cells[key].text for key in NAMES if key in cells), "")
    if "metric" in cells:
        name = f"{name}: {cells['metric'].text}"
    return name, {key: cell.value for key, cell in cells.items() if cell.value is not None}
