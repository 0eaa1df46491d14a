"""A table as LaTeX that needs booktabs and nothing else."""

import re
from collections.abc import Iterable

from .tables.table import Cell, Table

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
    """A table environment with caption, tabular and notes."""
    spec = "".join("r" if column.numeric else "l" for column in table.columns)
    lines = [
        "% Made by pqgan render; needs \\usepackage{booktabs}.",
        r"\begin{table*}",
        r"\centering",
        rf"\caption{{{escape(f'{table.title}. {table.caption}')}}}",
        rf"\label{{tab:{table.item}}}",
        r"\smallskip",
        _size(table),
        r"\setlength{\tabcolsep}{3pt}",
        rf"\begin{{tabular}}{{{spec}}}",
        r"\toprule",
        _line(escape(column.header) for column in table.columns),
        r"\midrule",
    ]
    for number, group in enumerate(table.groups):
        if number:
            lines.append(r"\midrule")
        if group.title:
            lines.append(rf"\multicolumn{{{len(spec)}}}{{l}}{{\textit{{{escape(group.title)}}}}} \\")
        for row in group.rows:
            cells = [row.cells[column.key] for column in table.columns]
            lines.append(_line(map(_cell, cells)))
    lines += [r"\bottomrule", r"\end{tabular}"]
    if table.notes:
        notes = r" \\ ".join(escape(note) for note in table.notes)
        lines += ["", r"\smallskip", rf"\parbox{{\linewidth}}{{\scriptsize {notes}}}"]
    lines.append(r"\end{table*}")
    return "\n".join(lines) + "\n"


def _size(table: Table) -> str:
    """A font size at which the columns fit the 7 inches of a page's text."""
    rows = [row for group in table.groups for row in group.rows]
    widest = [max([len(column.header), *(len(row.cells[column.key].text) for row in rows)]) for column in table.columns]
    # a character of Computer Modern at 8 points is about 4 points wide
    return r"\footnotesize" if 4.0 * sum(widest) + 6 * len(widest) < 470 else r"\scriptsize"


def _cell(cell: Cell) -> str:
    return rf"\textbf{{{escape(cell.text)}}}" if cell.bold else escape(cell.text)


def _line(cells: Iterable[str]) -> str:
    return " & ".join(cells) + r" \\"
