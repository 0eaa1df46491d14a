"""A table as LaTeX that needs booktabs and nothing else."""

import re
from collections.abc import Iterable

from .tables.table import Cell, Column, Table

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
    """A table environment with caption, tabular and notes."""
    spec = _columns(table)
    lines = [
        "% Made by pqgan render; needs \\usepackage{booktabs}.",
        r"\begin{table*}",
        r"\centering",
        rf"\caption{{{escape(f'{table.title}. {table.caption}')}}}",
        rf"\label{{tab:{table.item.replace('_', '-')}}}",
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
            title = rf"\textit{{{escape(group.title)}}}" + (
                rf" \textbf{{{escape(group.outcome)}}}" if group.outcome else ""
            )
            lines.append(rf"\multicolumn{{{len(table.columns)}}}{{l}}{{{title}}} \\")
        for row in group.rows:
            lines.append(_line(_cell(row.cells[column.key], column) for column in table.columns))
    lines += [r"\bottomrule", r"\end{tabular}"]
    if table.notes:
        notes = r" \\ ".join(escape(note) for note in table.notes)
        lines += ["", r"\smallskip", rf"\parbox{{\linewidth}}{{\scriptsize {notes}}}"]
    lines.append(r"\end{table*}")
    return "\n".join(lines) + "\n"


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
