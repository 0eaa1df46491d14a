"""A table before it is LaTeX or HTML."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from pqgan.metrics import METRICS
from pqgan.records import Measurement, Record

from .. import formats
from ..wording import random_networks

MEASURED, REPORTED, COMPUTED = "measured", "reported", "computed"
_ARROWS = {"up": " ↑", "down": " ↓", "": ""}


@dataclass(frozen=True)
class Column:
    """A column; `better` says in which direction its values improve."""

    key: str
    title: str
    unit: str = ""
    better: Literal["up", "down", ""] = ""
    numeric: bool = True
    wide: float = 0
    """Share of a printed page's width for values that are sentences; 0 where they are not broken."""
    over: str = ""
    """Heading above its own, which it shares with neighbours; empty where there is none."""

    @property
    def header(self) -> str:
        unit = f" [{self.unit}]" if self.unit else ""
        return f"{self.title}{unit}{_ARROWS[self.better]}"


def metric_column(name: str) -> Column:
    """A column of values of a metric."""
    about = METRICS[name]
    return Column(name, about.label, about.unit, about.better)


@dataclass(frozen=True)
class Cell:
    """What is printed, and the number behind it where it was measured."""

    text: str = formats.DASH
    value: float | None = None
    bold: bool = False


@dataclass(frozen=True)
class Row:
    """Values of one source: measured by this run, quoted from the paper, or computed from what was measured."""

    source: Literal["measured", "reported", "computed"]
    cells: Mapping[str, Cell]
    compare: str | None = None
    """Measured rows with the same key may be compared; the best of each column is set in bold."""
    grey: bool = False
    """Whether it is set back, as the paper does with what it calls impractical."""


@dataclass(frozen=True)
class Group:
    """Rows under one heading."""

    title: str
    """Empty where a rule alone stands above them."""
    rows: list[Row]
    outcome: str = ""
    """What its rows come to, in words; stands after the heading."""


@dataclass(frozen=True)
class Table:
    """Everything a page shows of a table."""

    item: str
    title: str
    caption: str
    columns: list[Column]
    groups: list[Group]
    notes: list[str] = field(default_factory=list)
    measurements: list[Measurement] = field(default_factory=list)
    """Behind the measured cells."""

    def content(self) -> dict[str, Any]:
        """As JSON values."""
        return {
            "kind": "table",
            "title": self.title,
            "caption": self.caption,
            "columns": [
                {
                    "key": column.key,
                    "header": column.header,
                    "over": column.over,
                    "numeric": column.numeric,
                    "wide": column.wide > 0,
                }
                for column in self.columns
            ],
            "rows": [
                {
                    "group": group.title,
                    "outcome": group.outcome,
                    "source": row.source,
                    "grey": row.grey,
                    "ruled": bool(number) and not group.title and row is group.rows[0],
                    "cells": {column.key: _plain(row.cells[column.key]) for column in self.columns},
                }
                for number, group in enumerate(self.groups)
                for row in group.rows
            ],
            "notes": self.notes,
            "random_networks": random_networks(self.measurements),
        }


def _plain(cell: Cell) -> dict[str, Any]:
    # JSON has no infinities; the text has them
    value = cell.value if cell.value is not None and math.isfinite(cell.value) else None
    return {"text": cell.text, "value": value, "bold": cell.bold}


SOURCE = Column("source", "Source", numeric=False)


def row(
    source: Literal["measured", "reported"], compare: str | None = None, grey: bool = False, **cells: object
) -> Row:
    """A row from cells, texts and integers; None and the empty text are missing values."""
    return Row(source, {"source": Cell(source)} | {key: _cell(value) for key, value in cells.items()}, compare, grey)


def _cell(value: object) -> Cell:
    if isinstance(value, Cell):
        return value
    return Cell() if value in (None, "") else Cell(str(value))


def measured(record: Record, metric: str, on: str | None = None) -> Cell:
    """The headline value of a metric, or a missing one."""
    found = record.get(metric, on=on)
    return Cell(formats.metric(metric, found.value), found.value) if found else Cell()


def with_best(groups: list[Group], columns: Iterable[Column]) -> list[Group]:
    """The same groups, the best measured value of each set of comparable rows in bold."""
    rows = [row for group in groups for row in group.rows]
    best: dict[tuple[str, str], str] = {}
    for column in columns:
        if not column.better:
            continue
        for key in {row.compare for row in rows if row.compare and row.source == MEASURED}:
            cells = [row.cells[column.key] for row in rows if row.compare == key and row.source == MEASURED]
            values = [cell for cell in cells if cell.value is not None and cell.value == cell.value]
            if len(values) > 1:
                choose = max if column.better == "up" else min
                best[key, column.key] = choose(values, key=lambda cell: cell.value).text
    return [replace(group, rows=[_bold(row, best) for row in group.rows]) for group in groups]


def _bold(row: Row, best: Mapping[tuple[str, str], str]) -> Row:
    if row.source != MEASURED or row.compare is None:
        return row
    # by text, so that values that print the same are both the best
    cells = {
        key: replace(cell, bold=cell.value is not None and best.get((row.compare, key)) == cell.text)
        for key, cell in row.cells.items()
    }
    return replace(row, cells=cells)
