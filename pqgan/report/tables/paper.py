"""The paper's own values, shipped with the package."""

import csv
from importlib.resources import files


def paper_rows(table: str) -> list[dict[str, str]]:
    """The rows of a table of the paper, every value as it is printed, a column a kind; empty where there is none.

    S of table1, which its text alone says (section 4.4), and dataset of table2, which is printed above columns, are
    columns too. gpus is no table of the paper but what its appendix says of the models of table4.
    """
    path = files("pqgan.report") / "paper" / f"{table}.csv"
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def times(text: str) -> str:
    """16x16 -> 16×16."""
    return text.replace("x", "×")
