"""Other quantisers than the paper's in tables and figures: named, labelled, and no part of a claim."""

import json

import pytest
import yaml

from pqgan.report.claims.evidence import Evidence
from pqgan.report.results import Results
from pqgan.settings import load

LINES = [{"kind": "rq", "F": 16, "d": 32, "D": 4, "K": 64}, {"kind": "fsq", "F": 8, "levels": [8, 5, 5, 5]}]
NAMES = {"rq-f16-d32-D4-K64", "fsq-f8-L8x5x5x5"}
ITEMS = ["table1", "table_sweep", "figure_bits"]


@pytest.fixture(scope="module")
def run(synthetic, params_path, tmp_path_factory):
    root = tmp_path_factory.mktemp("quantisers")
    raw = yaml.safe_load(params_path.read_text())
    raw["scales"]["smoke"]["tokenizer"]["sweep"] += LINES
    (root / "params.yaml").write_text(yaml.safe_dump(raw, sort_keys=False))
    return type(synthetic)(load(root / "params.yaml", "smoke"), root, ITEMS)


@pytest.fixture(scope="module")
def items(run) -> dict[str, dict]:
    return {item: json.loads(run.render(item, run.root).with_suffix(".json").read_text()) for item in ITEMS}


def rows(table: dict) -> dict[str, dict]:
    return {row["cells"]["configuration"]["text"]: row for row in table["rows"] if row["source"] == "measured"}


def test_table_1_names_their_method_and_where_the_paper_has_it(items):
    table = items["table1"]
    shown = rows(table)
    assert shown.keys() >= NAMES
    rq, fsq = (shown[name] for name in ("rq-f16-d32-D4-K64", "fsq-f8-L8x5x5x5"))
    cells = {key: (rq["cells"][key]["text"], fsq["cells"][key]["text"]) for key in ("method", "latent", "d", "S", "K")}
    assert cells == {
        "method": ("RQ-VAE", "FSQ"),
        "latent": ("RQ", "FSQ"),
        "d": ("32", "4"),
        "S": ("4", "1"),
        "K": ("64", "1000"),
    }
    assert (rq["cells"]["bits"]["text"], fsq["cells"]["bits"]["text"]) == ("0.0938", "0.156")
    assert fsq["group"] == "Not in the paper's Table 1"
    reported = next(row for row in table["rows"] if row["cells"]["method"]["text"] == "RQ-VAE")
    assert (reported["source"], reported["group"]) == ("reported", rq["group"])


def test_table_1_and_the_sweep_s_table_say_that_the_paper_lacks_them(items):
    for item in ("table1", "table_sweep"):
        (note,) = (note for note in items[item]["notes"] if note.startswith("Other quantisers in the product"))
        assert "not in the paper" in note
        assert "rq-f16-d32-D4-K64: S=4 codes per position, each of K=64 values" in note
        assert "fsq-f8-L8x5x5x5: S=1 codes per position, each of K=1000 values" in note


def test_the_sweep_s_table_has_a_group_for_each(items):
    shown = rows(items["table_sweep"])
    groups = {name: shown[name]["group"] for name in NAMES}
    assert groups == {
        "rq-f16-d32-D4-K64": "F=16, d=32: RQ-VAE (not in the paper's sweep)",
        "fsq-f8-L8x5x5x5": "F=8, d=4: FSQ (not in the paper's sweep)",
    }
    order = list(shown)
    linear = [order.index(name) for name in order if name.startswith("linear-")]
    others = sorted(order.index(name) for name in NAMES)
    assert others == list(range(others[0], others[0] + 2))
    assert max(others) < min(linear)
    assert min(others) == sum(name.startswith("f") and not name.startswith("fsq") for name in order)


def test_the_figure_of_bits_draws_them_as_series_of_their_own(items):
    figure = items["figure_bits"]
    assert "RQ-VAE" in figure["alt"]
    assert "FSQ" in figure["alt"]


def test_no_claim_reads_them(run):
    evidence = Evidence(run.plan, Results([]), lambda table: [])
    assert NAMES.isdisjoint(evidence.designs)
    assert "kl-f8-d4" in evidence.designs
