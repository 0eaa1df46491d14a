"""A table as LaTeX that needs booktabs and nothing else."""

import re
from collections.abc import Iterable, Sequence
from math import ceil

from .tables.table import Cell, Column, Group, Row, Table

LINES = 56
"""Of 8 points, that rows of sentences may have on a page beside caption and notes."""

_CHARACTERS = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"$<$",
    ">": r"$>$",
    "–": "--",
    "—": "---",
    "−": "$-$",
    "×": r"$\times$",
    "·": r"$\cdot$",
    "↑": r"$\uparrow$",
    "↓": r"$\downarrow$",
    "→": r"$\rightarrow$",
    "∞": r"$\infty$",
    "≥": r"$\geq$",
    "≤": r"$\leq$",
    "±": r"$\pm$",
    "√": r"$\surd$",
    "Σ": r"$\Sigma$",
    "²": r"$^2$",
    "µ": r"$\mu$",
    "…": r"\ldots{}",
    "‘": "`",
    "’": "'",
    "“": "``",
    "”": "''",
}
_SUPERSCRIPTS = str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789")


def escape(text: str) -> str:
    """Plain text as LaTeX that prints the same."""
    pieces = []
    for piece in re.split("([⁻⁰¹²³⁴⁵⁶⁷⁸⁹]+)", text):
        if piece and piece[0] in "⁻⁰¹²³⁴⁵⁶⁷⁸⁹":
            pieces.append(f"$^{{{piece.translate(_SUPERSCRIPTS)}}}$")
        else:
            pieces.append("".join(_CHARACTERS.get(character, character) for character in piece))
    return "".join(pieces)


def latex(table: Table) -> str:
    """A table environment with caption, tabular and notes; several of them where the rows fill more than a page."""
    lines = ["% Made by pqgan render; needs \\usepackage{booktabs}."]
    pages = _pages(table)
    for number, groups in enumerate(pages):
        caption = f"{table.title}. {table.caption}" if not number else f"{table.title}, continued."
        lines += [
            r"\begin{table*}",
            *([r"\addtocounter{table}{-1}"] if number else []),
            r"\centering",
            rf"\caption{{{escape(caption)}}}",
            *([] if number else [rf"\label{{tab:{table.item.replace('_', '-')}}}"]),
            r"\smallskip",
            _size(table),
            *_tabular(table, groups),
        ]
        if table.notes and groups is pages[-1]:
            notes = r" \\ ".join(escape(note) for note in table.notes)
            lines += ["", r"\smallskip", rf"\parbox{{\linewidth}}{{\scriptsize {notes}}}"]
        lines.append(r"\end{table*}")
    return "\n".join(lines) + "\n"


def _tabular(table: Table, groups: Sequence[Group]) -> list[str]:
    lines = [
        r"\setlength{\tabcolsep}{3pt}",
        rf"\begin{{tabular}}{{{_columns(table)}}}",
        r"\toprule",
        _line(escape(column.header) for column in table.columns),
        r"\midrule",
    ]
    for number, group in enumerate(groups):
        if number:
            lines.append(r"\midrule")
        if group.title:
            title = rf"\textit{{{escape(group.title)}}}" + (
                rf" \textbf{{{escape(group.outcome)}}}" if group.outcome else ""
            )
            lines.append(rf"\multicolumn{{{len(table.columns)}}}{{l}}{{{title}}} \\")
        for row in group.rows:
            lines.append(_line(_cell(row.cells[column.key], column) for column in table.columns))
    return [*lines, r"\bottomrule", r"\end{tabular}"]


def _pages(table: Table) -> list[list[Group]]:
    """Groups that fit a page together; a float is not broken by LaTeX, and sentences make rows high."""
    pages, used = [[]], 0.0
    for group in table.groups:
        height = 2 + sum(1 + _broken(table, row) for row in group.rows) if any(c.wide for c in table.columns) else 0
        if pages[-1] and used + height > LINES:
            pages.append([])
            used = 0
        pages[-1].append(group)
        used += height
    return pages


def _broken(table: Table, row: Row) -> int:
    """Lines that a row is broken into; a character of the size for sentences is about 3.6 of the page's 500 points."""
    texts = ((row.cells[column.key].text, column.wide * 500 / 3.6) for column in table.columns if column.wide)
    return max(ceil(len(text) / width) for text, width in texts)


def _columns(table: Table) -> str:
    """What tabular is told: r, l, or a paragraph where values are sentences."""
    return "".join(
        rf"p{{{column.wide}\textwidth}}" if column.wide else "r" if column.numeric else "l" for column in table.columns
    )


def _size(table: Table) -> str:
    """A font size at which the columns fit the 7 inches of a page's text; sentences break, and are set small."""
    if any(column.wide for column in table.columns):
        return r"\scriptsize"
    rows = [row for group in table.groups for row in group.rows]
    widest = [max([len(column.header), *(len(row.cells[column.key].text) for row in rows)]) for column in table.columns]
    # a character of Computer Modern at 8 points is about 4 points wide
    return r"\footnotesize" if 4.0 * sum(widest) + 6 * len(widest) < 470 else r"\scriptsize"


def _cell(cell: Cell, column: Column) -> str:
    text = rf"\textbf{{{escape(cell.text)}}}" if cell.bold else escape(cell.text)
    # ragged in a group of its own, or the end of a row would end only a line of the last cell
    return rf"{{\raggedright {text}\par}}" if column.wide else text


def _line(cells: Iterable[str]) -> str:
    return " & ".join(cells) + r" \\"
