"""What the rendered tables measured, as nested numbers for `dvc metrics show` and `diff`: `pqgan summary`."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pqgan.errors import DataError
from pqgan.storage.atomic import write_text

NAMES = ("configuration", "generator", "model", "compared")
"""Columns that say what a row is of, the best one first."""


def run(tables: Iterable[Path], out: Path) -> None:
    """Write `table -> row -> column -> value`, of the rows that this run measured or computed.

    Args:
        tables: .json files of rendered tables.
        out: JSON file.

    Raises:
        DataError: a file is missing or no rendered table.
    """
    content = {path.stem: _measured(path) for path in tables}
    content = {name: rows for name, rows in content.items() if rows}
    write_text(out, json.dumps(content, indent=1, ensure_ascii=False) + "\n")


def _measured(path: Path) -> dict[str, dict[str, float]]:
    try:
        rows = json.loads(path.read_text())["rows"]
        named = dict(_numbers(row) for row in rows if row["source"] != "reported")
        return {name: numbers for name, numbers in named.items() if numbers}
    except FileNotFoundError:
        raise DataError(f"{path}: no such file; expected a rendered table, made with snakemake") from None
    except (ValueError, KeyError, TypeError):
        raise DataError(f"{path}: not a rendered table; delete it and make it again with snakemake") from None


def _numbers(row: dict[str, Any]) -> tuple[str, dict[str, float]]:
    cells = row["cells"]
    name = next(cells[key]["text"] for key in NAMES if key in cells)
    if "set" in cells:
        name = f"{name} on {cells['set']['text']}"
    if "metric" in cells:
        name = f"{name}: {cells['metric']['text']}"
    return name, {key: cell["value"] for key, cell in cells.items() if cell["value"] is not None}
