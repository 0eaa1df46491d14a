"""Claims with the trunk, with a shortcut and with principal components alone, side by side."""

import json
import math

import pytest
from whole_plan import whole_plan

from pqgan.report.claims.catalogue import CLAIMS, Judged
from pqgan.report.claims.contrasts import FAILS, HOLDS, OPEN
from pqgan.report.claims.evidence import Evidence
from pqgan.report.claims.findings import needs
from pqgan.report.tables import claims_beside
from pqgan.report.tables.paper import paper_rows
from pqgan.report.tables.table import COMPUTED, Cell, Group, Row
from pqgan.settings import Settings

SWEEP = [
    *({"F": 8, "d": d, "S": d // 2, "K": 64} for d in (8, 16, 32)),
    *({"F": 8, "d": 16, "S": S, "K": 64} for S in (1, 4, 16)),
    *({"F": 8, "d": d, "S": d // 2, "K": 64, "seed": seed} for d in (8, 32) for seed in (1, 2)),
]
CHOSEN = {8: "f8-d32-S16-K64", 16: "f8-d32-S16-K64"}
RISES = 1
"""Place of the claim that PQ gets better as d grows."""
NOISE = {None: 0.0, 1: 0.01, 2: -0.01}
GAIN = {"trunk": 0.0, "path": 2.0, "linear": -1.0}
"""dB with each doubling of d."""
FEWER = 20


@pytest.fixture(scope="module")
def settings(plain) -> Settings:
    raw = plain.model_dump()
    section = raw["scale"]["tokenizer"]
    section["sweep"] = SWEEP
    section["baselines"] = [{"kind": "kl", "F": 8, "d": 4}]
    section["baselines"] += [{"kind": "linear", "F": 8, "d": d, "S": d // 2, "K": 64} for d in (8, 16, 32)]
    around = {"shortcut": "linear_alone", "refinement": {"channels": 8, "blocks": 1}, "training": section["training"]}
    section["with_shortcut"] = around
    raw["scale"]["evaluation"]["continuous"] = ["kl-f8-d4"]
    raw["scale"]["selection"]["factors"] = [8]
    # what would go on from a factor that is not trained here
    del raw["scale"]["adapt"]["variants"]["PQSD-Quick"], raw["scale"]["adapt"]["variants"]["PQSD-HR"]
    del raw["scale"]["ldm"]["latents"]["pqgan-f16"]
    return Settings.model_validate(raw)


def network_of(name: str) -> str:
    head = name.partition("-")[0]
    return head if head in ("path", "linear") else "trunk"


@pytest.fixture(scope="module")
def told(settings, evidence_of, hand):
    """Results in which d does nothing for the trunk, good with a path, and harm to principal components."""
    records = {}
    for name, config in settings.scale.tokenizer.configs.items():
        better = GAIN[network_of(name)] * math.log2(config.d) * (getattr(config, "S", 1) > 1) + NOISE[config.seed]
        values = {"psnr": 20 + better, "H_n": 0.8 + better / 50, "P_n": 0.5 + better / 50}
        values |= dict.fromkeys(("rfid", "lpips", "cmmd"), math.exp(-better / 5))
        items = [hand.item(metric, value, on="val") for metric, value in values.items()]
        records["evaluate", name] = hand.record(*items)
    return evidence_of(settings, records, CHOSEN)


def evidence(told: Evidence, network: str) -> Evidence:
    return Evidence(told.plan, told._results, paper_rows, network)


def test_each_network_is_tested_on_its_own_trainings(told):
    for network, first in (("trunk", "f8-d8-S4-K64"), ("path", "path-f8-d8-S4-K64"), ("linear", "linear-f8-d8-S4-K64")):
        found = evidence(told, network)
        own = [name for name, config in found.designs.items() if config.kind == "pq"]
        assert own[0] == first
        assert {network_of(name) for name in own} == {network}
        assert ("kl-f8-d4" in found.designs) == (network == "trunk")
        assert found.seeds(first) == (1 if network == "linear" else 3)
        assert found.selected(8) == f"{'' if network == 'trunk' else f'{network}-'}f8-d32-S16-K64"


def test_what_a_collection_did_not_come_to_takes_no_part(told):
    class Without:
        def __init__(self, *lacking):
            self.lacking = lacking

        def has(self, chapter, name):
            return name not in self.lacking and told._results.has(chapter, name)

        def record(self, chapter, name):
            return told._results.record(chapter, name)

    whole = evidence(told, "path")
    fewer = Evidence(told.plan, Without("path-f8-d8-S4-K64", "path-f8-d32-S16-K64-seed1"), paper_rows, "path")
    # a second seed says nothing by itself
    assert set(whole.designs) - set(fewer.designs) == {"path-f8-d8-S4-K64"}
    assert [len(one.trainings["path-f8-d32-S16-K64"]) for one in (whole, fewer)] == [3, 2]
    # but lines are chosen by what is planned
    assert [one.seeds("path-f8-d32-S16-K64") for one in (whole, fewer)] == [3, 3]


def test_the_same_contrast_comes_to_what_each_network_s_numbers_say(told):
    (test,) = CLAIMS[RISES].tests
    slopes = {network: test(evidence(told, network))[0] for network in GAIN}
    assert {network: round(found.value, 6) for network, found in slopes.items()} == GAIN
    assert {network: found.verdict for network, found in slopes.items()} == {
        "trunk": OPEN, "path": HOLDS, "linear": OPEN,  # fitted once: nothing says how far from another fit
    }  # fmt: skip


def test_columns_stand_beside_the_trunk_s_and_outcomes_name_both(told):
    others = claims_beside.judged_beside(told.plan, told._results)
    assert [(other.network, len(other.found)) for other in others] == [("path", FEWER), ("linear", FEWER)]
    (test,) = CLAIMS[RISES].tests
    own = test(told)
    keys = ("compared", "metric", "means", "difference", "seeds", "verdict")
    rows = [Row(COMPUTED, {key: Cell(getattr(finding, key)) for key in keys}) for finding in own]
    group = claims_beside.widened(Group("2. ", rows, OPEN), CLAIMS[RISES], others)
    assert group.outcome == f"trunk as in the paper: {OPEN}; with the shortcut: {HOLDS}"
    assert len(group.rows) == len(own)
    first = group.rows[0].cells
    assert first["path"].text.startswith("holds: +2.00 [")
    assert "d=32: 30.0" in first["path"].text
    assert first["path"].value == pytest.approx(2.0)
    assert first["linear"].text == "−1.00; d=8: 17.0; d=16: 16.0; d=32: 15.0"
    assert first["difference"].text.startswith("0.00 [") or "0.00 [" in first["difference"].text


def test_a_comparison_that_only_another_network_has_is_a_row_of_its_own(told):
    others = claims_beside.judged_beside(told.plan, told._results)
    row = Row(COMPUTED, {key: Cell("x") for key in ("compared", "metric", "means", "difference", "seeds", "verdict")})
    group = claims_beside.widened(Group("2. ", [row], OPEN), CLAIMS[RISES], others)
    assert len(group.rows) > 1
    assert [cell.text for cell in (group.rows[0].cells["path"], group.rows[1].cells["verdict"])] == ["–", "–"]
    assert group.rows[1].cells["path"].text.startswith("holds")


def test_two_reasons_of_one_claim_both_stand(told):
    reasons = [needs("one thing"), needs("another")]
    other = claims_beside.Beside("path", told, [Judged(CLAIMS[RISES], reasons, [])])
    keys = ("compared", "metric", "means", "difference", "seeds", "verdict")
    row = Row(COMPUTED, {key: Cell(getattr(needs("a third"), key)) for key in keys})
    group = claims_beside.widened(Group("2. ", [row], OPEN), CLAIMS[RISES], [other])
    assert [row.cells["path"].text for row in group.rows] == [f"{OPEN}: needs one thing", f"{OPEN}: needs another"]


def test_claims_that_no_training_tests_keep_their_outcome(told):
    others = claims_beside.judged_beside(told.plan, told._results)
    cells = {key: Cell("x") for key in ("compared", "metric", "means", "difference", "seeds", "verdict")}
    group = claims_beside.widened(Group("31. ", [Row(COMPUTED, cells)], FAILS), CLAIMS[30], others)
    assert (group.outcome, len(group.rows)) == (FAILS, 1)


def test_without_trainings_of_it_the_table_is_as_it_was(plain, told):
    assert claims_beside.judged_beside(whole_plan(plain), told._results) == []
    group = Group("1. ", [], OPEN)
    assert claims_beside.widened(group, CLAIMS[0], []) is group
    assert claims_beside.columns([], []) == []


def test_the_table_is_drawn_with_both(synthetic, plain, tmp_path, monkeypatch):
    raw = plain.model_dump()
    section = raw["scale"]["tokenizer"]
    section["with_shortcut"] = {
        "shortcut": "linear_alone",
        "refinement": {"channels": 8, "blocks": 1},
        "training": section["training"],
    }
    changed = type(synthetic)(Settings.model_validate(raw), tmp_path, ["table_claims"])
    out = changed.render("table_claims", tmp_path / "reports")
    content = json.loads(out.with_suffix(".json").read_text())
    heads = [(column["over"], column["header"]) for column in content["columns"]]
    assert heads[0] == ("", "Compared")
    assert ("Trunk as in the paper", "Verdict") in heads
    assert heads[-2:] == [("", "With the shortcut"), ("", "Linear floor")]
    assert "With the shortcut, of the 20 that are tested by reconstruction, claims that hold: " in content["caption"]
    told = " ".join(content["notes"])
    assert (
        "With the shortcut: the product quantisers with a linear path and its refinement in the trunk's place" in told
    )
    assert "which is no part of the paper (path-f...)" in told
    assert "Linear floor: PCA + PQ, linear: not in the paper." in told
    assert r"\multicolumn{4}{c}{Trunk as in the paper}" in out.read_text()
