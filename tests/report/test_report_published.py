"""Published models that this run measured: rows of their own beside what the paper reports of them."""

import json
import shutil

import pytest
from whole_plan import whole_plan

from pqgan.records import read_record, write_record
from pqgan.report import contents, render
from pqgan.report.tables.paper import paper_rows

SUBJECTS = {
    "vqgan-lc-f8": {"kind": "vqgan", "F": 8, "d": 4, "S": 1, "K": 100_000, "method": "VQGAN-LC", "latent": "VQ"},
    "taesd3": {"kind": "tiny", "F": 8, "d": 16, "method": "TAESD3", "latent": "continuous"},
    "pqgan-f16": {"kind": "pq", "F": 16, "d": 128, "S": 64, "K": 128, "method": "PQGAN", "latent": "PQ"},
}
PSNR = {"vqgan-lc-f8": 27.04, "taesd3": 28.46, "pqgan-f16": 21.94}


@pytest.fixture(scope="module")
def tables(smoke, synthetic, tmp_path_factory) -> dict[str, dict]:
    """Tables 1 and 2 of a scale that measures three published models besides."""
    evaluation = smoke.scale.evaluation.model_copy(update={"published": tuple(SUBJECTS)})
    settings = smoke.model_copy(update={"scale": smoke.scale.model_copy(update={"evaluation": evaluation})})
    plan, root = whole_plan(settings), tmp_path_factory.mktemp("published")
    shutil.copytree(synthetic.root / "results", root / "results")
    for name, subject in SUBJECTS.items():
        record = read_record(synthetic.folder(synthetic.plan.job("evaluate", "kl-f8-d4")))
        measurements = [
            item.model_copy(update={"value": PSNR[name]}) if item.metric == "psnr" and item.headline else item
            for item in record.measurements
        ]
        job = plan.job("evaluate", name)
        origin = {**record.provenance, "job": {key: getattr(job, key) for key in record.provenance["job"]}}
        changes = {"name": name, "subject": {**subject, "published": name}, "measurements": measurements}
        changes |= {"provenance": origin}
        folder = root / job.path
        shutil.copytree(synthetic.folder(synthetic.plan.job("evaluate", "kl-f8-d4")), folder)
        write_record(folder, record.model_copy(update=changes))
    found = {"plan": plan}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        for item in ("table1", "table2"):
            render.run(settings, plan, item, root / f"{item}.tex")
            found[item] = json.loads((root / f"{item}.json").read_text())
    return found


def texts(table: dict, group: str) -> list[dict[str, str]]:
    return [{key: cell["text"] for key, cell in row["cells"].items()} for row in table["rows"] if row["group"] == group]


def test_table1_has_each_beside_its_method_or_where_the_paper_has_none(tables):
    tiny, *others = texts(tables["table1"], "Not in the paper's Table 1")
    assert [row["method"] for row in others] == [*["PCA + PQ, linear"] * 2, "JPEG", "JPEG", "WebP", "WebP"]
    rows = texts(tables["table1"], "")
    place = next(place for place, row in enumerate(rows) if row["configuration"] == "vqgan-lc-f8")
    before, vqgan, after = rows[place - 1 : place + 2]
    assert (before["method"], before["F"], before["psnr"], after["method"]) == ("VQGAN-LC", "8", "27.0", "ViT-VQGAN")
    expected = {"method": "VQGAN-LC", "latent": "VQ", "F": "8", "d": "4", "S": "1", "K": "100,000", "psnr": "27.0"}
    assert expected.items() <= vqgan.items()
    expected = {"method": "TAESD3", "latent": "continuous", "F": "8", "d": "16", "S": "–", "K": "–", "psnr": "28.5"}
    assert expected.items() <= tiny.items()
    assert vqgan["latent_resolution"] == "8×8"
    assert (vqgan["source"], tiny["source"]) == ("measured", "measured")


@pytest.mark.parametrize("item", ["table1", "table2"])
def test_the_authors_weights_stand_between_what_the_paper_reports_and_ours(tables, item, synthetic):
    rows = [row for row in texts(tables[item], "") if row["method"].startswith("PQGAN") and row["F"] == "16"]
    assert [(row["method"], row["source"]) for row in rows] == [
        ("PQGAN", "reported"),
        ("PQGAN (authors' weights)", "measured"),
        ("PQGAN", "measured"),
    ]
    assert [row["configuration"] for row in rows[1:]] == ["pqgan-f16", synthetic.chosen(16)]
    assert rows[1]["psnr" if item == "table1" else "psnr_FFHQ"] == "21.9"
    (note,) = [
        note for note in tables[item]["notes"] if note.startswith("PQGAN (authors' weights): pqgan-f16, files that")
    ]
    assert note.endswith("(reading 4, ‘released’); here images reach their size by crop.")
    if item == "table1":
        expected = {"latent": "PQ", "d": "128", "S": "64", "K": "128", "latent_resolution": "4×4", "bits": "1.75"}
        assert {key: rows[1][key] for key in expected} == expected


@pytest.mark.parametrize("item", ["table1", "table2"])
def test_what_the_paper_reports_of_them_stays_reported(tables, item):
    reported = [row for row in tables[item]["rows"] if row["source"] == "reported"]
    of_a_row = 2 if item == "table2" else 1  # sets stand side by side
    assert len(reported) == len(paper_rows(item)) // of_a_row
    for row in tables[item]["rows"]:
        values = [cell["value"] for cell in row["cells"].values()]
        assert any(value is not None for value in values) == (row["source"] == "measured")
    methods = [row["cells"]["method"]["text"] for row in reported]
    assert methods.count("VQGAN-LC") == sum(line["method"] == "VQGAN-LC" for line in paper_rows(item)) // of_a_row


def test_table2_has_each_beside_its_method_or_where_the_paper_has_none(tables):
    first, second, *_ = texts(tables["table2"], "")
    assert [row["method"] for row in (first, second)] == ["VQGAN-LC", "VQGAN-LC"]
    assert (first["source"], second["configuration"]) == ("reported", "vqgan-lc-f8")
    others = texts(tables["table2"], "Not in the paper's Table 2")
    assert [row["configuration"] for row in others] == [
        "taesd3",
        "kl-f8-d4",
        *(f"linear-f{F}-d64-S32-K256" for F in (8, 16)),
    ]
    for role in ("FFHQ", "LSUN"):
        assert (second[f"psnr_{role}"], others[0][f"psnr_{role}"]) == ("27.0", "28.5")


def test_they_take_part_in_the_comparison_of_their_factor(tables):
    rows = [row for row in tables["table1"]["rows"] if row["source"] == "measured" and row["cells"]["F"]["text"] == "8"]
    best = max(row["cells"]["psnr"]["value"] for row in rows)
    assert {row["cells"]["psnr"]["value"] for row in rows if row["cells"]["psnr"]["bold"]} == {best}
    assert {"vqgan-lc-f8", "taesd3"} <= {row["cells"]["configuration"]["text"] for row in rows}


@pytest.mark.parametrize("item", ["table1", "table2"])
def test_their_evaluations_are_inputs(tables, smoke, item):
    expected = {tables["plan"].job("evaluate", name).path for name in SUBJECTS}
    assert expected <= {job.path for job in contents.inputs(tables["plan"], item)}
    assert not expected & {job.path for job in contents.inputs(whole_plan(smoke), item)}


def test_under_the_heading_stands_only_what_the_paper_lacks(reports):
    table = json.loads((reports / "table1.json").read_text())
    assert {row["cells"]["method"]["text"] for row in table["rows"] if row["group"]} == {
        "PCA + PQ, linear",
        "JPEG",
        "WebP",
    }
