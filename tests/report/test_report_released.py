"""The report of a scale that trains nothing: the authors' tokenizers beside other published ones, by two readings."""

import json
from pathlib import Path

import pytest

from pqgan.errors import SettingsError
from pqgan.report import contents, page
from pqgan.settings import load

ITEMS = ["table_claims", "table1", "table2", "figure1", "figure2", "figure7", "figure_bits"]
QUALITY = ("psnr", "rfid", "cmmd", "lpips")


@pytest.fixture(scope="module")
def released(params_path, synthetic, tmp_path_factory):
    """Made-up results of scale released."""
    return type(synthetic)(load(params_path, "released"), tmp_path_factory.mktemp("released"))


@pytest.fixture(scope="module")
def folder(released) -> Path:
    folder = released.root / "reports"
    for item in ITEMS:
        released.render(item, folder)
    return folder


def read(folder: Path, item: str) -> dict:
    return json.loads((folder / f"{item}.json").read_text())


def measured(table: dict) -> dict[str, dict]:
    return {row["cells"]["configuration"]["text"]: row["cells"] for row in table["rows"] if row["source"] == "measured"}


def test_items_of_chapters_that_are_not_planned_are_left_out(released):
    assert contents.items(released.plan) == ITEMS
    with pytest.raises(SettingsError, match="got 'table5'; scale 'released' plans nothing that it shows; allowed: tab"):
        contents.inputs(released.plan, "table5")
    with pytest.raises(SettingsError, match="render: got 'table9'; allowed: table_claims, table1"):
        contents.inputs(released.plan, "table9")


def test_table1_has_every_metric_by_both_readings(released, folder):
    table = read(folder, "table1")
    heads = {column["key"]: column["over"] for column in table["columns"]}
    assert {heads[metric] for metric in QUALITY} == {"Reading ‘paper’, set val"}
    assert {heads[f"{metric}2"] for metric in QUALITY} == {"Reading ‘released’, set val_squashed"}
    rows = measured(table)
    section = released.settings.scale.evaluation
    assert {*section.published, *section.codecs, *released.settings.scale.tokenizer.designs} == rows.keys()
    for name in ("pqgan-f8", "sd21-vae", "jpeg@1.75"):
        record = json.loads((released.folder(released.plan.job("evaluate", name)) / "metrics.json").read_text())
        for metric in QUALITY:
            by_role = {m["on"]: m["value"] for m in record["measurements"] if m["metric"] == metric and m["headline"]}
            assert rows[name][metric]["value"] == pytest.approx(by_role["val"])
            assert rows[name][f"{metric}2"]["value"] == pytest.approx(by_role["released"])
    assert "Columns of the reading ‘released’: the same images, set val_squashed (squash), n = 48." in table["caption"]
    assert not any("Trained by this run" in note for note in table["notes"])
    reported = [row["cells"] for row in table["rows"] if row["source"] == "reported"]
    assert {cells[f"{metric}2"]["text"] for cells in reported for metric in QUALITY} == {"–"}


def test_table2_has_what_was_measured_apart(released, folder):
    rows = measured(read(folder, "table2"))
    assert {"pqgan-f8", "pqgan-f16", "sd21-vae", "vqgan-f16-16384"} <= rows.keys()
    for role in ("FFHQ", "LSUN"):
        job = released.plan.job("evaluate_transfer", f"pqgan-f16-on-{role}")
        record = json.loads((released.folder(job) / "metrics.json").read_text())
        (psnr,) = (m["value"] for m in record["measurements"] if m["metric"] == "psnr" and m["headline"])
        assert rows["pqgan-f16"][f"psnr_{role}"]["value"] == pytest.approx(psnr)


def test_figures_show_the_authors_tokenizers_and_say_that_nothing_was_fine_tuned(folder):
    for item in ("figure1", "figure7"):
        caption = read(folder, item)["caption"]
        assert "the reconstructions of the SDv2.1 VAE (as in the paper)" in caption
        assert "the authors' weights for 256 px, where the paper shows tokenizers that were fine-tuned" in caption
        assert "d = 128, S = 64, K = 512 at F = 8" in caption


def test_claims_are_those_that_reconstructions_test_under_the_numbers_they_always_have(folder):
    table = read(folder, "table_claims")
    groups = list(dict.fromkeys(row["group"] for row in table["rows"]))
    assert [int(group.partition(".")[0]) for group in groups] == list(range(14, 25))
    assert table["notes"][0].startswith("Left out are claims of what this scale does not plan: 1, 2, 3, ")
    assert "Nothing is trained at this scale: PQ are the authors' published tokenizers" in table["caption"]
    beats = [row["cells"] for row in table["rows"] if row["group"].startswith("14.") and row["source"] == "computed"]
    assert beats
    assert all(cells["compared"]["text"].startswith("pqgan-f8 against ") for cells in beats)
    small = [row["cells"] for row in table["rows"] if row["group"].startswith("19.") and row["source"] == "computed"]
    assert {cells["compared"]["text"].split()[0] for cells in small} >= {"pqgan-f8"} or len(small) > 0


def test_the_page_has_these_items_alone(released, folder, tmp_path):
    page.run(released.settings, released.plan, folder, None, tmp_path / "report.html")
    text = (tmp_path / "report.html").read_text()
    assert [item for item in contents.ITEMS if f'id="{item}"' in text] == ITEMS
    assert "folders of images: 2 linear tokenizers that are fitted" in text


def test_without_other_sets_table_2_is_left_out_and_no_address_moves(released, params_path, changed_params):
    alone = type(released.plan)(load(changed_params("scales.released.evaluation.transfer", {}), "released"))
    assert contents.items(alone) == [item for item in ITEMS if item != "table2"]
    before = {(job.chapter, job.name): job.path for job in released.plan.all()}
    after = {(job.chapter, job.name): job.path for job in alone.all()}
    assert {key[0] for key in before.keys() - after.keys()} == {"evaluate_transfer", "reference"}
    assert after.items() <= before.items()
