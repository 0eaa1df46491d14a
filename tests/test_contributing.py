"""CONTRIBUTING.md: every file that it names is there, and each list has as many files as its heading says."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "CONTRIBUTING.md").read_text()


def test_every_file_that_is_named_is_there():
    named = [name for name in re.findall(r"`([^`\s]+)`", TEXT) if "/" in name or name.endswith((".yaml", ".py"))]
    named = [name for name in named if not name.startswith(".git/")]
    assert len(named) > 15
    missing = [name for name in named if not [*ROOT.glob(name), *(ROOT / "pqgan").glob(name)]]
    assert missing == []


def test_each_list_is_as_long_as_it_says():
    lists = re.findall(r"^An? [\w ]+, (\d+) \([^)]*\):\n\n((?:\d+\. .*\n)+)", TEXT, re.MULTILINE)
    assert len(lists) == 4
    for said, lines in lists:
        assert [line.partition(".")[0] for line in lines.splitlines()] == [str(n) for n in range(1, int(said) + 1)]


def test_the_commands_are_targets_of_the_makefile():
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    used = re.findall(r"^ {4}make (?:\w+=\S+ )?([\w-]+)", TEXT, re.MULTILINE)
    assert len(used) >= 4
    assert set(used) <= targets
