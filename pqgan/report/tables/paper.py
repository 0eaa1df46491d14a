"""The paper's own values, shipped with the package."""

import csv
from importlib.resources import files


def paper_rows(table: str) -> list[dict[str, str]]:
    """The rows of a table of the paper, every value as it is printed; empty where there is none."""
    path = files("pqgan.report") / "paper" / f"{table}.csv"
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def times(text: str) -> str:
    """16x16 -> 16×16."""
    return text.replace("x", "×")
