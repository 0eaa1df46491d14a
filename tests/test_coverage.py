"""docs/coverage.md: every place that it names exists, and every setting has the value that stands beside it."""

import re
from pathlib import Path

import pytest
import yaml

from pqgan.report.contents import ITEMS
from pqgan.settings import read_params

ROOT = Path(__file__).parents[1]
DOCUMENT = (ROOT / "docs/coverage.md").read_text()
PLACE = re.compile(r"`([^`]+)`")
HEADINGS = ("Sections", "Equations", "Tables and figures", "Numbers")
READINGS = set(re.findall(r"^\| (\d+) \|", (ROOT / "docs/readings.md").read_text(), re.MULTILINE))
RULES = {
    name
    for file in (ROOT / "workflow/rules").glob("*.smk")
    for name in re.findall(r"(?m)^(?:rule|checkpoint) (\w+):", file.read_text())
}


def table(heading: str) -> list[list[str]]:
    """Cells of each row below a heading, without the table's head."""
    section = DOCUMENT.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    rows = [line.strip("| ").split(" | ") for line in section.splitlines() if line.startswith("|")]
    return rows[2:]


def places(heading: str) -> list[str]:
    return [found for row in table(heading) for found in PLACE.findall(row[-1])]


def value_at(key: str):
    """Of params.yaml as it is read: `scales.paper.data`."""
    found = read_params(ROOT / "params.yaml")
    while key:
        if not isinstance(found, dict):
            found = dict(found)
        # a name may hold a dot, and a factor F is a number
        name = next(name for name in found if key == str(name) or key.startswith(f"{name}."))
        found, key = found[name], key.removeprefix(str(name)).removeprefix(".")
    return found


def plain(value):
    """As YAML would give it: without defaults, lists for tuples."""
    if hasattr(value, "model_dump"):
        return value.model_dump(mode="json", exclude_defaults=True)
    return [plain(item) for item in value] if isinstance(value, tuple) else value


@pytest.mark.parametrize(
    ("heading", "expected"),
    [
        ("Sections", [*"123", "3.1", "3.2", *(f"4.{n}" for n in range(1, 6)), "5", "A", "A.1", "A.2", *"BCDEF"]),
        ("Equations", [*"12345"]),
        ("Tables and figures", [f"Table {n}" for n in range(1, 6)] + [f"Figure {n}" for n in range(1, 11)]),
    ],
)
def test_every_part_of_the_paper_is_there(heading, expected):
    assert [row[0] for row in table(heading)] == expected


@pytest.mark.parametrize("heading", HEADINGS)
def test_every_row_names_a_place(heading):
    for row in table(heading):
        assert PLACE.search(row[-1]) or re.search(r"reading \d+", row[-1]), row


@pytest.mark.parametrize("place", sorted({place for heading in HEADINGS for place in places(heading)}))
def test_every_place_exists(place):
    setting, _, value = place.partition(" = ")
    if setting.startswith(("scales.", "readings.")):
        expected, found = yaml.safe_load(value), plain(value_at(setting))
        assert found == (float(expected) if isinstance(found, float) else expected)
    elif place.startswith("rule "):
        assert place.removeprefix("rule ") in RULES
    elif place.startswith("reports/"):
        assert place.removeprefix("reports/") in ITEMS
    else:
        assert (ROOT / place).exists()


def test_every_item_with_a_number_is_named():
    named = {place.removeprefix("reports/") for place in places("Tables and figures")}
    assert named >= {item for item in ITEMS if re.fullmatch(r"(table|figure)\d+", item)}


def test_every_reading_that_is_named_exists():
    named = re.findall(r"readings? ((?:\d+(?:, | and )?)+)", DOCUMENT)
    assert {number for text in named for number in re.findall(r"\d+", text)} <= READINGS
