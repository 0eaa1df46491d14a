"""Tables of captions: tab-separated, as photo archives ship them, whatever people typed into them.

Readers of comma-separated values take a quote at the start of a field for the beginning of a quoted one, and where
nobody closes it, every row up to the next quote for its content. In a caption it is mostly a character. Here a field is
quoted only if its own last character closes it, with every quote in between doubled and no tab there: a row that was
swallowed would have had one. Such a field may hold line breaks.
"""

import bz2
import csv
import gzip
import lzma
import re
import zlib
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

from pqgan.errors import DataError

from .names import shown

INSIDE = r'(?:[^"\t]|"")*+'
QUOTED, BEGUN = re.compile(f'"({INSIDE})"'), re.compile(f'"{INSIDE}')
GOES_ON, ENDS = re.compile(INSIDE), re.compile(f'{INSIDE}"')
"""What a quoted field's further lines look like, and its last."""
LONGEST = 1 << 16
"""Characters of a quoted field's further lines; beyond them the quote was nobody's to close."""
OPENERS: dict[str, Callable[..., IO[str]]] = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}


def rows(table: Path | str, columns: list[str]) -> Iterator[list[str]]:
    """The wanted fields of every row, in the order of `columns`; a field that a row lacks is empty.

    Args:
        table: in UTF-8, its first line the names of its columns; packed where its suffix says so.
        columns: wanted.

    Raises:
        DataError: not such a table, or without one of the columns; a row of more fields than there are columns.
    """
    try:
        with OPENERS.get(Path(table).suffix, open)(table, "rt", encoding="utf-8-sig") as file:
            records = _records(file)
            _, header = next(records, (0, ""))
            if not header:
                raise ValueError("it is empty")
            names = _fields(header, 0)
            if absent := [name for name in columns if name not in names]:
                raise DataError(f"{table}: has no column {', '.join(absent)}; name the columns it has under captions")
            places = [names.index(name) for name in columns]
            for line, text in records:
                fields = _fields(text, len(names))
                if len(fields) > len(names):
                    raise ValueError(f"line {line} has {len(fields)} fields, the first line has {len(names)}")
                yield [fields[place] if place < len(fields) else "" for place in places]
    except (ValueError, OSError, EOFError, lzma.LZMAError, zlib.error) as error:
        why = shown(" ".join(str(error).split()))
        raise DataError(f"{table}: not a tab-separated table of UTF-8: {why}") from None


def _fields(text: str, expected: int) -> list[str]:
    fields = text.split("\t")
    if '"' not in text:
        return fields
    if len(fields) > expected > 0:
        try:
            # tabs within quotes, but only where it comes out even
            (quoted,) = csv.reader([text.replace("\n", " ")], delimiter="\t", strict=True)
            if len(quoted) == expected:
                return quoted
        except (csv.Error, ValueError):
            pass
    return [found[1].replace('""', '"') if (found := QUOTED.fullmatch(field)) else field for field in fields]


def _records(file: IO[str]) -> Iterator[tuple[int, str]]:
    """The number of the first line, and the text, of every row that is not empty."""
    ahead: deque[str] = deque()
    number = 0
    while line := ahead.popleft() if ahead else file.readline():
        number += 1
        text, more = line.removesuffix("\n"), 0
        # only a row's last field can go on in the next line
        while BEGUN.fullmatch(text.rpartition("\t")[2]) and (lines := _rest(file, ahead)):
            text = "\n".join([text, *(ahead.popleft().removesuffix("\n") for _ in range(lines))])
            more += lines
        if text:
            yield number, text
        number += more


def _rest(file: IO[str], ahead: deque[str]) -> int:
    """How many of the next lines a field goes on in whose quote is open; 0 where none closes it."""
    count = characters = 0
    while characters <= LONGEST:
        if count == len(ahead):
            ahead.append(file.readline())
            if not ahead[-1]:
                ahead.pop()
                return 0
        part, tab, _ = ahead[count].removesuffix("\n").partition("\t")
        count, characters = count + 1, characters + len(part)
        if ENDS.fullmatch(part):
            return count
        if tab or not GOES_ON.fullmatch(part):
            return 0
    return 0
