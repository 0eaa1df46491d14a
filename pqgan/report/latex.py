"""A table as LaTeX that needs booktabs, and xcolor where rows are grey."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import groupby
from math import ceil

from .latex_text import escape
from .tables.table import Cell, Column, Group, Row, Table

LINES = 56
"""Of 8 points, that rows may have on a page beside caption and notes."""
GROUP = 2
"""Lines of a group's heading with the rule above it."""
TEXT = 505
"""Points of a page's text from side to side: 7 inches."""
SIZES = ((r"\footnotesize", 4.5, 3), (r"\scriptsize", 4.2, 3), (r"\scriptsize", 4.2, 2))
"""Font, points of a character of Computer Modern on average, and points of the gap on either side of a column."""


def latex(table: Table) -> str:
    """A table environment with caption, tabular and notes; several of them where the rows fill more than a page."""
    packages = "booktabs,xcolor" if any(row.grey for row in _rows(table)) else "booktabs"
    lines = [rf"% Made by pqgan render; needs \usepackage{{{packages}}}."]
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
            *_size(table),
            *_tabular(table, groups),
        ]
        if table.notes and groups is pages[-1]:
            notes = r" \\ ".join(escape(note) for note in table.notes)
            lines += ["", r"\smallskip", rf"\parbox{{\linewidth}}{{\scriptsize {notes}}}"]
        lines.append(r"\end{table*}")
    return "\n".join(lines) + "\n"


def _rows(table: Table) -> list[Row]:
    return [row for group in table.groups for row in group.rows]


def _tabular(table: Table, groups: Sequence[Group]) -> list[str]:
    lines = [
        rf"\begin{{tabular}}{{{_columns(table)}}}",
        r"\toprule",
        *_shared_heads(table),
        _line(_head(table, column) for column in table.columns),
        r"\midrule",
    ]
    for number, group in enumerate(groups):
        if number:
            lines.append(r"\midrule")
        if group.title:
            title = rf"\textit{{{escape(group.title)}}}" + (
                rf" \textbf{{{escape(group.outcome)}}}" if group.outcome else ""
            )
            lines.append(rf"\multicolumn{{{len(table.columns)}}}{{{_heading(table)}}}{{{title}}} \\")
        for row in group.rows:
            lines.append(_line(_cell(row, row.cells[column.key], column) for column in table.columns))
    return [*lines, r"\bottomrule", r"\end{tabular}"]


def _heading(table: Table) -> str:
    """What a group's heading is set in: a paragraph where headings are sentences too."""
    return r"p{0.98\textwidth}" if _is_wordy(table) else "l"


def _is_wordy(table: Table) -> bool:
    return any(column.wide for column in table.columns)


def _shared_heads(table: Table) -> list[str]:
    """The line of headings that columns share, each over a rule of its own; none where no column has one."""
    if not any(column.over for column in table.columns):
        return []
    cells, rules, place = [], [], 1
    for over, columns in groupby(table.columns, key=lambda column: column.over):
        count = len(list(columns))
        cells += [rf"\multicolumn{{{count}}}{{c}}{{{escape(over)}}}"] if over else [""] * count
        rules += [rf"\cmidrule(lr){{{place}-{place + count - 1}}}"] if over else []
        place += count
    return [_line(cells), " ".join(rules)]


def _head(table: Table, column: Column) -> str:
    lines = _head_lines(table, column)
    if len(lines) == 1:
        return escape(lines[0])
    side = "r" if column.numeric else "l"
    broken = r" \\ ".join(escape(line) for line in lines)
    return rf"\shortstack[{side}]{{{broken}}}"


def _head_lines(table: Table, column: Column) -> list[str]:
    """A heading in two lines where its column's values are narrower than it; an arrow stays with the word before."""
    words = column.header.replace(" ↑", "\0↑").replace(" ↓", "\0↓").split(" ")
    if column.wide or len(words) == 1 or len(column.header) <= _widest_value(table, column):
        return [column.header]
    broken = [(" ".join(words[:place]), " ".join(words[place:])) for place in range(1, len(words))]
    return [line.replace("\0", " ") for line in min(broken, key=lambda lines: max(map(len, lines)))]


def _widest_value(table: Table, column: Column) -> int:
    return max((len(row.cells[column.key].text) for row in _rows(table)), default=0)


def _pages(table: Table) -> list[list[Group]]:
    """Groups that fit a page together; a float is not broken by LaTeX, and sentences make rows high."""
    pages, used = [[]], 0
    for group in table.groups:
        for part in _parts(table, group):
            height = GROUP + sum(_height(table, row) for row in part.rows)
            if pages[-1] and used + height > LINES:
                pages.append([])
                used = 0
            pages[-1].append(part)
            used += height
    return pages


def _parts(table: Table, group: Group) -> Iterator[Group]:
    """A group in parts of a page's height at most."""
    part, used = replace(group, rows=[]), GROUP
    for row in group.rows:
        height = _height(table, row)
        if part.rows and used + height > LINES:
            yield part
            part, used = replace(group, rows=[], title=_continued(group.title), outcome=""), GROUP
        part.rows.append(row)
        used += height
    yield part


def _continued(title: str) -> str:
    sentence, colon = title.removesuffix(":"), ":" * title.endswith(":")
    return title and f"{sentence}, continued{colon}"


def _height(table: Table, row: Row) -> int:
    """Lines that a row takes; a character of the size for sentences is about 3.6 of the page's 500 points."""
    wide = [column for column in table.columns if column.wide]
    texts = ((row.cells[column.key].text, column.wide * 500 / 3.6) for column in wide)
    return 1 + max((ceil(len(text) / width) for text, width in texts), default=0)


def _columns(table: Table) -> str:
    """What tabular is told: r, l, or a paragraph where values are sentences."""
    return "".join(
        rf"p{{{column.wide}\textwidth}}" if column.wide else "r" if column.numeric else "l" for column in table.columns
    )


def _size(table: Table) -> list[str]:
    """The largest size and gap at which the columns fit a page's text; sentences break, and are set small."""
    wordy = _is_wordy(table)
    fitting = [size for size in SIZES if not wordy and width(table, size) <= TEXT]
    font, _, gap = fitting[0] if fitting else SIZES[1 if wordy else -1]
    return [font, rf"\setlength{{\tabcolsep}}{{{gap}pt}}"]


def width(table: Table, size: tuple[str, float, int]) -> float:
    """Points from side to side, about, of a table without sentences at one of SIZES."""
    _, character, gap = size
    columns = [max(_widest_value(table, column), *map(len, _head_lines(table, column))) for column in table.columns]
    return character * sum(columns) + 2 * gap * len(columns)


def _cell(row: Row, cell: Cell, column: Column) -> str:
    text = rf"\textbf{{{escape(cell.text)}}}" if cell.bold else escape(cell.text)
    if row.grey:
        text = rf"\textcolor{{gray}}{{{text}}}"
    # ragged in a group of its own, or the end of a row would end only a line of the last cell
    return rf"{{\raggedright {text}\par}}" if column.wide else text


def _line(cells: Iterable[str]) -> str:
    return " & ".join(cells) + r" \\"
