"""Tables of captions: a line a row, whatever quotes are in it."""

import bz2
import gzip
import lzma
import random
import time

import pandas as pd
import pytest

from pqgan.data.captions import rows
from pqgan.errors import DataError


@pytest.fixture
def read(tmp_path):
    """Rows of a table with the columns id and text, as (id, text)."""

    def read(text, columns=("id", "text"), name="table.tsv"):
        (tmp_path / name).write_text(text, newline="")
        return [tuple(row) for row in rows(tmp_path / name, list(columns))]

    return read


ROWS = {
    "an unclosed quote": ('c\t"Never closed\nd\tplain\ne\tclosed "e"\n', ['"Never closed', "plain", 'closed "e"']),
    "one that a later row seems to close": ('c\t"Open\nd\tends so"\n', ['"Open', 'ends so"']),
    "one that a later row closes in a field": ('c\t"Open\n"d"\tplain\n', ['"Open', "plain"]),
    "one at the end of the table": ('c\tplain\nd\t"Open', ["plain", '"Open']),
    "a quoted line break": ('b\t"two\nlines, quoted"\nc\tplain\n', ["two\nlines, quoted", "plain"]),
    "an empty line within": ('b\t"two\n\nlines"\nc\tplain\n', ["two\n\nlines", "plain"]),
    "doubled quotes": ('b\t"say ""yes""\nor ""no"""\nc\t"""\n', ['say "yes"\nor "no"', '"""']),
    "a closed one": ('b\t"whole"\n"c"\tplain\n', ["whole", "plain"]),
    "inches": ('b\t5" wide\nc\t"5" wide"\nd\t""\ne\t"\n', ['5" wide', '"5" wide"', "", '"']),
    "a quoted tab": ('b\t"two\twords"\n', ["two\twords"]),
    "carriage returns": ('b\t"two\r\nlines"\r\nc\tplain\r\n', ["two\nlines", "plain"]),
    "empty lines and short rows": ("b\tplain\n\nc\n\nd\t\n", ["plain", "", ""]),
    "a zero byte": ("b\ta\0b\n", ["a\0b"]),
    "words that other readers take for nothing": ("b\tNA\nc\tnull\n", ["NA", "null"]),
}  # fmt: skip


@pytest.mark.parametrize("name", ROWS)
def test_each_line_is_a_row_unless_a_quote_closes_in_its_own_field(read, name):
    text, expected = ROWS[name]
    assert [caption for _, caption in read("id\ttext\n" + text)] == expected
    ids = [ident for ident, _ in read("id\ttext\n" + text)]
    assert ids == ["b", "c", "d", "e"][ids[0] == "c" :][: len(expected)]


def test_a_quoted_field_between_others(read):
    text = 'text\tid\tmore\n"two\nlines"\ta\t"and\nmore"\nplain\tb\tx\n'
    assert read(text, ("id", "text", "more")) == [("a", "two\nlines", "and\nmore"), ("b", "plain", "x")]


def test_what_pandas_writes_comes_back(tmp_path):
    """Whatever the text, where there is no unclosed quote to mend."""
    drawn = random.Random(0)
    texts = ["".join(drawn.choices("ab\" \n,;'\t", k=drawn.randrange(12))).strip("\t") for _ in range(500)]
    texts = [text for text in texts if not ("\t" in text and "\n" in text)]
    table = pd.DataFrame({"id": [str(i) for i in range(len(texts))], "text": texts})
    table.to_csv(tmp_path / "table.tsv", sep="\t", index=False)
    assert [row[1] for row in rows(tmp_path / "table.tsv", ["id", "text"])] == texts


@pytest.mark.parametrize(("suffix", "packed"), [("gz", gzip.open), ("bz2", bz2.open), ("xz", lzma.open)])
def test_packed_tables_and_a_byte_order_mark(tmp_path, suffix, packed):
    path = tmp_path / f"table.tsv.{suffix}"
    with packed(path, "wt", encoding="utf-8-sig") as file:
        file.write("id\ttext\na\tä\n")
    assert list(rows(path, ["id", "text"])) == [["a", "ä"]]
    path.write_bytes(path.read_bytes()[:-6])
    with pytest.raises(DataError, match="not a tab-separated table"):
        list(rows(path, ["id", "text"]))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "it is empty"),
        (b"id\tcaption\n", "has no column text"),
        (b"id\ttext\na\tb\n\nc\td\te\n", "line 4 has 3 fields, the first line has 2"),
        (b'id\ttext\na\t"b\nb"\nc\td\te\n', "line 4 has 3 fields"),
        (b"id\ttext\na\t\xff\n", "not a tab-separated table of UTF-8"),
    ],
)
def test_what_is_no_table(tmp_path, content, reason):
    (tmp_path / "table.tsv").write_bytes(content)
    with pytest.raises(DataError, match=reason) as caught:
        list(rows(tmp_path / "table.tsv", ["id", "text"]))
    assert "\n" not in str(caught.value)


def test_many_open_quotes_take_no_time(read):
    text = "id\ttext\n" + 'a\t"\n' * 20_000 + '"\n' + '"open\n' * 20_000
    started = time.perf_counter()
    assert len(read(text)) == 40_000  # the last of the first closes in the line after
    assert time.perf_counter() - started < 20
