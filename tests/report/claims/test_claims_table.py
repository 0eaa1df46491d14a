"""The table of claims as it is rendered: groups, outcomes, caption and notes."""

import json
import re

from pqgan.report.claims.contrasts import FAILS, HOLDS, OPEN
from pqgan.report.claims.findings import NOT_REACHED

OF_TRAININGS = (*range(1, 14), 20)
"""Claims that nothing but a second seed resolves."""


def test_table_of_replicated_results(replicated):
    content = json.loads(replicated.render("table_claims", replicated.root).with_suffix(".json").read_text())
    outcomes = {row["group"].partition(".")[0]: row["outcome"] for row in content["rows"]}
    assert list(outcomes) == [*map(str, range(1, 34)), "Of our own: Our quantiser adds less than 10 % to a "
                              "reconstruction at S = 64 (not in the paper; the threshold is our own):"]  # fmt: skip
    assert {HOLDS, FAILS, OPEN} == set(outcomes.values())
    rows = [row for row in content["rows"] if row["source"] == "computed"]
    for row in rows:
        verdicts = {other["cells"]["verdict"]["text"] for other in rows if other["group"] == row["group"]}
        assert (row["outcome"] == HOLDS) == (verdicts == {HOLDS})
        assert (row["outcome"] == FAILS) == (FAILS in verdicts)
    quoted = [row for row in content["rows"] if row["source"] == "reported"]
    assert {row["cells"]["verdict"]["text"] for row in quoted} == {"agrees", "contradicts"}
    assert {row["cells"]["compared"]["text"] for row in quoted} == {"In the paper's own cells"}
    caption = content["caption"]
    assert "scale ‘smoke’, reading ‘paper’, set val, n = 48 images a training" in caption
    assert re.search(r"PSNR 0\.00\d+ dB \(2\), rFID 0\.\d+ % \(2\)", caption)  # degrees of freedom
    assert "InceptionV3 2048 (75 px), random weights (seed 0)" in caption
    assert "rFID, LPIPS, CMMD and gFID numbers are not comparable with the paper's" in caption
    assert all("seed1" not in json.dumps(row["cells"]) for row in rows)


def test_table_of_smoke_says_of_each_open_row_what_it_lacks(reports):
    content = json.loads((reports / "table_claims.json").read_text())
    trainings = [row for row in content["rows"] if row["source"] == "computed" and number_of(row) in OF_TRAININGS]
    assert {row["outcome"] for row in trainings} == {OPEN}
    spread = [row for row in trainings if row["cells"]["compared"]["text"].startswith("Share of the variance")]
    assert {number_of(row) for row in spread} == {11}
    assert all((": " in row["cells"]["verdict"]["text"]) == (row not in spread) for row in trainings)
    assert any("seed: 1" in note for note in content["notes"])
    assert not any(NOT_REACHED in json.dumps(row) for row in content["rows"])


def number_of(row: dict) -> int:
    number = row["group"].partition(".")[0]
    return int(number) if number.isdecimal() else 0
