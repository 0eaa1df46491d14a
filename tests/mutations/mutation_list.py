"""The list of faults: one line each, in faults/<area>.tsv.

Columns, set apart by tabs: file, the text that is there now, the text in its place, what that breaks, test files (below
tests/, or tests in them) that should notice; and, only where none can be expected to, why.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
FAULTS = Path(__file__).parent / "faults"


class StaleError(Exception):
    """The list does not fit the code that it is about."""


@dataclass(frozen=True)
class Fault:
    """A small change that makes results wrong."""

    number: int
    """From 1, over all areas."""
    area: str
    file: str
    old: str
    new: str
    breaks: str
    tests: tuple[str, ...]
    accepted: str = ""
    """Why no test notices it; empty where one has to."""

    def applied_to(self, text: str) -> str:
        """The file's text with the fault in it.

        Raises:
            StaleError: what it replaces is not there exactly once.
        """
        found = text.count(self.old)
        if found != 1:
            where = f"faults/{self.area}.tsv: {self.breaks}"
            raise StaleError(f"{where}: {self.old!r} is {found} times in {self.file}; expected once: mend the list")
        return text.replace(self.old, self.new)

    def key(self, root: Path) -> str:
        """Of the fault, the file and its tests as they are: the same as long as an earlier result is good."""
        return digest(root, (self.file, *files_of(self.tests)), self.file, self.old, self.new)


def files_of(tests: tuple[str, ...]) -> list[str]:
    """Files that some tests are in and the fixtures above them, from the root."""
    files = [f"tests/{test.partition('::')[0]}" for test in tests]
    above = {parent / "conftest.py" for file in files for parent in Path(file).parents}
    return files + sorted(path.as_posix() for path in above if (ROOT / path).is_file())


def digest(root: Path, files: Iterable[str], *words: str) -> str:
    """Of some words and the contents of files."""
    found = hashlib.sha256("\t".join(words).encode())
    for file in files:
        found.update((root / file).read_bytes())
    return found.hexdigest()[:16]


def read(folder: Path = FAULTS) -> list[Fault]:
    """All faults, area by area.

    Raises:
        StaleError: a line that is none.
    """
    faults = []
    for path in sorted(folder.glob("*.tsv")):
        for place, line in enumerate(path.read_text().splitlines(), 1):
            if not line or line.startswith("#"):
                continue
            fields = line.split("\t")
            if len(fields) not in (5, 6) or not all((fields[0], fields[1], fields[3], fields[4])):
                raise StaleError(
                    f"{path.name}:{place}: expected file, old, new, what it breaks, tests, and maybe why not"
                )
            file, old, new, breaks, tests, *accepted = fields
            faults.append(Fault(len(faults) + 1, path.stem, file, old, new, breaks, tuple(tests.split()), *accepted))
    return faults
