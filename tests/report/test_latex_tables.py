"""LaTeX of tables: headings over columns, grey rows, pages, and a size at which they fit."""

import re

import pytest

from pqgan.report import latex
from pqgan.report.tables.table import Column, Group, Table
from pqgan.report.tables.table import row as new_row

TWO_SETS = [
    Column("a", "A", numeric=False),
    *(Column(f"{key}{over}", key, over=f"set {over}") for over in (1, 2) for key in ("x", "y")),
    Column("n", "n"),
]


def table(columns, groups) -> Table:
    return Table("table2", "Title", "Caption.", columns, groups, ["A note."])


def made(number: int, **more) -> dict:
    return new_row("measured", a=number, x1=1, y1=2, x2=3, y2=4, n=48, **more)


def test_a_heading_over_columns_spans_them_above_a_rule_of_its_own():
    lines = latex.latex(table(TWO_SETS, [Group("", [made(1)])])).splitlines()
    place = lines.index(r"\toprule")
    assert lines[place + 1] == r" & \multicolumn{2}{c}{set 1} & \multicolumn{2}{c}{set 2} &  \\"
    assert lines[place + 2] == r"\cmidrule(lr){2-3} \cmidrule(lr){4-5}"
    assert lines[place + 3] == r"A & x & y & x & y & n \\"


def test_a_table_without_such_headings_has_one_line_of_them():
    tex = latex.latex(table(TWO_SETS[:1], [Group("", [made(1)])]))
    assert "multicolumn" not in tex
    assert "cmidrule" not in tex


def test_a_grey_row_is_grey_in_each_cell_and_the_file_says_what_it_needs():
    tex = latex.latex(table(TWO_SETS, [Group("", [made(1), made(2, grey=True)])]))
    assert "1 & 1 & 2 & 3 & 4 & 48" in tex
    assert " & ".join(rf"\textcolor{{gray}}{{{value}}}" for value in (2, 1, 2, 3, 4, 48)) in tex
    assert r"\usepackage{booktabs,xcolor}" in tex
    assert "xcolor" not in latex.latex(table(TWO_SETS, [Group("", [made(1)])]))


@pytest.mark.parametrize(("rows", "groups"), [(25, 13), (130, 2)])
def test_a_long_table_goes_on_from_page_to_page(rows, groups):
    """As the sweep of the paper's scale does, with 320 rows."""
    titles = [f"d={number}" for number in range(groups)]
    all_of_them = [Group(title, [made(f"{title} row{place}") for place in range(rows)]) for title in titles]
    parts = latex.latex(table(TWO_SETS, all_of_them)).split(r"\end{table*}")[:-1]
    assert len(parts) > rows * groups / latex.LINES
    found = [row for part in parts for row in re.findall(r"^d=\d+ row\d+", part, re.MULTILINE)]
    assert found == [f"{title} row{place}" for title in titles for place in range(rows)]
    for part in parts:
        lines = part.partition(r"\midrule")[2].partition(r"\bottomrule")[0].strip().splitlines()
        assert len(lines) <= latex.LINES
        # a page never begins without a heading
        assert "multicolumn" in lines[0]
    headings = re.findall(r"textit\{d=\d+, continued\}", "".join(parts))
    assert (len(headings) > 0) == (rows > latex.LINES)
    assert [r"\label{tab:table2}" in part for part in parts] == [True] + [False] * (len(parts) - 1)
    assert ["A note." in part for part in parts] == [False] * (len(parts) - 1) + [True]


@pytest.mark.parametrize(
    ("header", "value", "expected"),
    [
        ("Latent resolution", "16×16", r"\shortstack[r]{Latent \\ resolution}"),
        ("Latent resolution", "a value as wide as it", "Latent resolution"),
        ("Training", "1", "Training"),
        ("Wall [x] time", "1", r"\shortstack[r]{Wall \\ {}[x] time}"),
    ],
)
def test_a_heading_wider_than_its_values_is_broken_in_two(header, value, expected):
    columns = [Column("a", header)]
    assert latex._head(table(columns, [Group("", [new_row("measured", a=value)])]), columns[0]) == expected


def test_an_arrow_stays_with_the_word_before():
    columns = [Column("a", "PSNR", "dB", "up"), Column("b", "rFID", better="down")]
    found = table(columns, [Group("", [new_row("measured", a="1", b="2")])])
    assert latex._head_lines(found, columns[0]) == ["PSNR", "[dB] ↑"]
    assert latex._head_lines(found, columns[1]) == ["rFID ↓"]


@pytest.mark.parametrize(("characters", "expected"), [(60, 0), (110, 1), (118, 2), (400, 2)])
def test_the_size_is_the_largest_that_fits_seven_inches(characters, expected):
    columns = [Column("a", "A"), Column("b", "B")]
    found = table(columns, [Group("", [new_row("measured", a="x" * (characters - 1), b="y")])])
    size, _, gap = latex.SIZES[expected]
    assert latex._size(found) == [size, rf"\setlength{{\tabcolsep}}{{{gap}pt}}"]
    widths = [latex.width(found, size) for size in latex.SIZES]
    assert widths == sorted(widths, reverse=True)
    assert all(width > latex.TEXT for width in widths[:expected])
