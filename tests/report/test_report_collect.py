"""`pqgan collect`: what is kept of a run says what its tables say."""

import contextlib
import json
from pathlib import Path

import pytest

from pqgan.errors import SettingsError
from pqgan.plan import Plan
from pqgan.report import collect, contents, render
from pqgan.settings import load
from pqgan.storage.manifest import damages

KEPT = Path(__file__).parents[2] / "reports" / "mini"
ITEMS = ["table_claims", "table1", "table3", "figure3"]


@pytest.fixture(scope="module")
def collected(synthetic, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("kept") / "mini"
    with contextlib.chdir(synthetic.root):
        collect.run(synthetic.settings, synthetic.plan, ITEMS, out)
    return out


def test_items_are_those_of_the_report(collected, reports):
    for item in ITEMS:
        for suffix in (".tex", ".json") if item.startswith("table") else (".png", ".json"):
            assert (collected / item).with_suffix(suffix).read_bytes() == (reports / item).with_suffix(
                suffix
            ).read_bytes()


def test_every_record_behind_an_item_is_there_without_pictures(collected, synthetic):
    jobs = {job.path: job for item in ITEMS for job in contents.inputs(synthetic.plan, item)}.values()
    kept = {(path.parent.name, path.name) for path in collected.glob("results/*/*")}
    assert kept == {(job.chapter, job.name) for job in jobs}
    files = {path.name for path in (collected / "results").rglob("*") if path.is_file()}
    assert files == set(collect.KEPT)
    assert damages(collected) == []


def test_an_item_made_again_from_the_collection_alone_is_the_same(collected, synthetic, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for item in ITEMS:
        out = tmp_path / f"{item}{render.suffix_of(item)}"
        render.run(synthetic.settings, synthetic.plan, item, out, collected / "results")
        assert out.with_suffix(".json").read_bytes() == (collected / f"{item}.json").read_bytes()


def test_addresses_are_those_of_the_run_after_the_plan_has_moved(collected, changed_params, tmp_path):
    settings = load(changed_params("scales.smoke.tokenizer.training.steps", 7), "smoke")
    content = render.run(settings, Plan(settings), "table3", tmp_path / "table3.tex", collected / "results")
    before = json.loads((collected / "table3.json").read_text())
    assert content["provenance"] == before["provenance"]
    assert [job["path"] for job in content["provenance"]] != [
        job.path for job in contents.inputs(Plan(settings), "table3")
    ]


def test_the_page_shows_every_cell_and_picture(collected):
    page = (collected / "README.md").read_text()
    for item in ITEMS:
        content = json.loads((collected / f"{item}.json").read_text())
        assert content["caption"] in page
        if content["kind"] == "figure":
            assert f"]({item}.png)" in page
            continue
        lines = [line for line in page.splitlines() if line.startswith("|")]
        for row in content["rows"]:
            texts = [row["cells"][column["key"]]["text"] for column in content["columns"]]
            assert any(all(text.replace("<", "&lt;") in line for text in texts) for line in lines)
        width = len(content["columns"]) + 1
        assert any(line.count("|") == width for line in lines)


def test_items_with_images_are_refused(synthetic, tmp_path):
    with pytest.raises(SettingsError, match="figure7; allowed: items made of numbers alone: table_claims"):
        collect.run(synthetic.settings, synthetic.plan, ["table1", "figure7"], tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_kept_report_is_what_its_records_say(params_path, tmp_path):
    """Verdicts and numbers in reports/mini come from the records beside them, by the present rules."""
    assert damages(KEPT) == []
    items = sorted(path.stem for path in KEPT.glob("table*.json"))
    assert {"table_claims", "table1", "table2", "table3"} <= set(items)
    settings = load(params_path, json.loads((KEPT / "table_claims.json").read_text())["scale"])
    for item in items:
        again = render.run(settings, Plan(settings), item, tmp_path / f"{item}.tex", KEPT / "results")
        assert again == json.loads((KEPT / f"{item}.json").read_text()), (
            f"collect it again: pqgan collect ... --scale {settings.name} --results reports/mini/results"
        )
