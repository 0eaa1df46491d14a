"""Tables 1 to 5 from synthetic results: what is measured, what is reported, and what the caption says."""

import json
import re
import shutil
import subprocess

import pytest

from pqgan.errors import DataError
from pqgan.records import FeatureNetwork, Measurement, read_record, write_record
from pqgan.report import contents, render
from pqgan.report.latex import latex
from pqgan.report.tables.paper import paper_rows
from pqgan.report.tables.table import Column, Group, Table
from pqgan.report.tables.table import row as new_row

INCEPTION = "InceptionV3 2048 (75 px), random weights (seed 0)"
TABLES = [item for item in contents.ITEMS if item.startswith("table")]
NUMBERED = [item for item in TABLES if item.removeprefix("table").isdigit()]
"""Those of the paper, with its own rows in them."""


@pytest.fixture(scope="module")
def tables(reports) -> dict[str, dict]:
    return {item: json.loads((reports / f"{item}.json").read_text()) for item in TABLES}


def rows(table: dict, source: str) -> list[dict[str, str]]:
    """Texts of the rows of one source."""
    return [
        {key: cell["text"] for key, cell in row["cells"].items()} for row in table["rows"] if row["source"] == source
    ]


@pytest.mark.parametrize("item", NUMBERED)
def test_source_is_a_labelled_column_and_matches_the_row(tables, item):
    assert "Source" in [column["header"] for column in tables[item]["columns"]]
    for row in tables[item]["rows"]:
        assert row["cells"]["source"]["text"] == row["source"]
        # a quoted value carries no number of ours, and is never marked as the best
        if row["source"] == "reported":
            assert all(cell["value"] is None and not cell["bold"] for cell in row["cells"].values())


@pytest.mark.parametrize("item", NUMBERED)
def test_every_row_of_the_paper_is_there_as_printed(tables, item):
    reported = [" ".join(row.values()).replace("×", "x").replace(",", "") for row in rows(tables[item], "reported")]
    expected = paper_rows(item)
    metrics = {"psnr", "rfid", "cmmd", "lpips", "gfid_5k", "samples_per_second", "memory_gb", "training_steps"}
    for line in expected:
        values = [value for key, value in line.items() if key in metrics and value]
        assert any(all(f" {value} " in f" {text} " for value in values) for text in reported), line
    # two sets of Table 2 stand in one row
    assert len(reported) == len(expected) // (2 if item == "table2" else 1)


@pytest.mark.parametrize("item", NUMBERED)
def test_caption_says_scale_and_n(tables, item):
    caption = tables[item]["caption"]
    assert "scale ‘smoke’, reading ‘paper’" in caption
    assert re.search(r"\bn = \d+", caption)
    assert "Reported: the paper's own values" in caption


def test_caption_names_protocols_networks_and_that_they_are_random(tables):
    for item in ("table1", "table2"):
        caption = tables[item]["caption"]
        assert "n = 48" in caption
        assert "PSNR: mean over images." in caption
        assert "pooled" not in caption  # the other reading is no headline
        assert "InceptionV3 2048 (75 px), random weights (seed 0)" in caption
        assert "LPIPS AlexNet, random weights (seed 0)" in caption
        assert "rFID, CMMD and LPIPS numbers are not comparable with the paper's" in caption
    assert "measured gFID and rFID numbers are not comparable" in tables["table5"]["caption"]
    assert tables["table1"]["random_networks"]
    assert tables["table3"]["random_networks"] == []
    assert "No feature networks" in tables["table3"]["caption"]


def test_table1_has_the_selected_the_lone_factor_and_the_baselines(tables, synthetic):
    chosen = {synthetic.chosen(8), synthetic.chosen(16), "f32-d32-S16-K64", "kl-f8-d4", "vqgan-f16-d32-K128"}
    chosen |= {"linear-f8-d64-S32-K256", "linear-f16-d64-S32-K256"}
    measured = rows(tables["table1"], "measured")
    assert {row["configuration"] for row in measured} == chosen | set(synthetic.settings.scale.evaluation.codecs)
    best = next(row for row in measured if row["configuration"] == synthetic.chosen(8))
    assert best["psnr"] == f"{synthetic.psnr(synthetic.chosen(8)):.1f}"
    assert best["latent_resolution"] == "8×8"
    kl = next(row for row in measured if row["configuration"] == "kl-f8-d4")
    assert (kl["S"], kl["K"], kl["latent"]) == ("–", "–", "KL")


def test_missing_values_are_dashes(tables):
    vit = next(row for row in rows(tables["table1"], "reported") if row["method"] == "ViT-VQGAN")
    assert vit["psnr"] == vit["cmmd"] == "–"
    assert all(row["unet_seconds"] == "–" for row in rows(tables["table3"], "reported"))


def test_bold_is_the_best_measured_row_of_a_factor(tables):
    by_factor: dict[str, list] = {}
    for row in tables["table1"]["rows"]:
        if row["source"] == "measured" and row["cells"]["F"]["text"] != "–":  # codecs have none
            by_factor.setdefault(row["cells"]["F"]["text"], []).append(row["cells"])
    assert set(by_factor) == {"8", "16", "32"}
    assert not any(cell["bold"] for cell in by_factor["32"][0].values())  # alone: nothing to be better than
    for factor in ("8", "16"):
        for metric, best in (("psnr", max), ("rfid", min), ("cmmd", min), ("lpips", min)):
            wanted = best(by_factor[factor], key=lambda cells: cells[metric]["value"])
            assert [cells[metric]["bold"] for cells in by_factor[factor]] == [
                cells is wanted for cells in by_factor[factor]
            ]


def test_table3_says_that_the_backbone_is_seeded(tables):
    assert any("random weights" in note for note in tables["table3"]["notes"])
    assert rows(tables["table3"], "measured")[0]["generator"] == "SDv2.1"
    assert not any(cell["bold"] for row in tables["table3"]["rows"] for cell in row["cells"].values())


def test_table4_shows_the_settings_in_the_provenance(tables, smoke):
    measured = rows(tables["table4"], "measured")
    training = smoke.scale.tokenizer.training
    first = measured[0]
    assert (first["resolution"], first["steps"]) == (
        f"{training.resolution}×{training.resolution}",
        str(training.steps),
    )
    assert (first["batch"], first["data"]) == (str(smoke.reading.training.total_batch), "train")
    assert (first["device"], first["time"]) == ("test processor", "95 s")
    assert "Devices of this run: test processor (1 of 2 threads)." in tables["table4"]["notes"]
    hr = [row for row in measured if row["model"].startswith("PQSD-HR")]
    phases = smoke.scale.adapt.variants["PQSD-HR"].stage2
    resolutions = [smoke.reading.adaptation.stage1_resolution, *(phase.resolution for phase in phases)]
    assert [row["resolution"] for row in hr] == [f"{side}×{side}" for side in resolutions]
    assert [row["time"] for row in hr] == ["12 s", "12 s", "in the above", "in the above"]


def test_table5_joins_gfid_with_the_tokenizers_rfid(tables, synthetic):
    measured = {row["latent"] + row["F"]: row for row in rows(tables["table5"], "measured")}
    evaluated = synthetic.root / synthetic.plan.job("evaluate", synthetic.chosen(8)).path
    rfid = read_record(evaluated).get("rfid", on="val").value
    assert float(measured["PQGAN8"]["rfid"]) == pytest.approx(rfid, rel=5e-3)
    assert measured["PQGAN8"]["gfid"] == "123.5"
    assert measured["PQGAN8"]["generator"] == "LDM (1.23M)"
    assert "n = 48 samples for gFID and 48 reconstructed images for rFID" in tables["table5"]["caption"]


def test_table5_has_precision_and_recall_where_they_were_measured(tables):
    headers = [column["header"] for column in tables["table5"]["columns"]]
    assert headers[-5:] == ["gFID ↓", "Precision ↑", "Recall ↑", "Configuration", "Source"]
    shown = [(row["latent"], row["precision"], row["recall"]) for row in rows(tables["table5"], "measured")]
    assert ("PQGAN", "0.405", "0.595") in shown
    assert {row["precision"] for row in rows(tables["table5"], "reported")} == {"–"}
    expected = f"Precision and recall: DDIM 10 steps, against 48 images, through {INCEPTION}."
    assert expected in tables["table5"]["caption"]


def test_table5_shows_gfid_of_more_samples_beside_the_headline(smoke, synthetic, tmp_path, monkeypatch):
    shutil.copytree(synthetic.root / "results", tmp_path / "results")
    monkeypatch.chdir(tmp_path)
    for number, name in enumerate(smoke.scale.ldm.latents):
        path = tmp_path / synthetic.plan.job("generation", name).path
        record = read_record(path)
        kept = [item for item in record.measurements if item.metric == "gfid"]
        more = [item.model_copy(update={"n": 50_000, "value": 10.0 + number, "headline": False}) for item in kept]
        # by the other resize it is another number, and in no column
        more[1] = more[1].model_copy(update={"value": 777.0})
        write_record(path, record.model_copy(update={"measurements": kept + more}))
    render.run(smoke, synthetic.plan, "table5", tmp_path / "table5.tex")
    content = json.loads((tmp_path / "table5.json").read_text())
    headers = [column["header"] for column in content["columns"]]
    assert headers[-4:] == ["gFID ↓", "gFID (50,000) ↓", "Configuration", "Source"]
    own = {
        row["cells"]["configuration"]["text"]: row["cells"] for row in content["rows"] if row["source"] == "measured"
    }
    cells = [own[name]["gfid_50000"] for name in ("kl-f8-d4", synthetic.chosen(8), synthetic.chosen(16))]
    assert [cell["text"] for cell in cells] == [f"{10 + i}.00" for i in range(number + 1)]
    assert [cell["bold"] for cell in cells] == [True] + [False] * number
    assert {row["gfid_50000"] for row in rows(content, "reported")} == {"–"}
    assert "n = 48 samples for gFID, 50,000 where a column says so, and 48 reconstructed" in content["caption"]
    assert "Precision" not in content["caption"]


@pytest.mark.parametrize("item", TABLES)
def test_latex_has_as_many_cells_a_row_as_columns(reports, item):
    tex = (reports / f"{item}.tex").read_text()
    spec = re.search(r"\\begin\{tabular\}\{((?:[lr]|p\{[\d.]+\\textwidth\})+)\}", tex)[1]
    columns = re.sub(r"\{.*?\}", "", spec)
    bodies = [part.partition(r"\bottomrule")[0] for part in tex.split(r"\toprule")[1:]]
    lines = [
        line for body in bodies for line in body.strip().splitlines() if not line.startswith((r"\midrule", r"\cmid"))
    ]
    assert lines
    for line in lines:
        assert line.endswith(r" \\")
        spans = [int(span) for span in re.findall(r"\\multicolumn\{(\d+)\}", line)]
        cells = len(re.findall(r"(?<!\\)&", line)) + 1
        assert cells + sum(spans) - len(spans) == len(columns), line
    assert len(re.findall(r"(?<!\\)\{", tex)) == len(re.findall(r"(?<!\\)\}", tex))
    for part in tex.split(r"\end{table*}")[:-1]:
        assert re.findall(r"\\begin\{(\S+?)\}", part) == ["table*", "tabular"]
    assert not re.search(r"(?<!\\)[_#]", re.sub(r"^%.*$", "", tex, flags=re.MULTILINE))
    assert len(re.findall(r"(?<!\\)\$", tex)) % 2 == 0


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="pdflatex is not installed")
def test_latex_compiles(reports, tmp_path):
    document = "\n".join(
        [r"\documentclass{article}", r"\usepackage{booktabs,xcolor}", r"\begin{document}"]
        + [rf"\input{{{reports / item}.tex}}" for item in TABLES]
        + [r"\end{document}"]
    )
    (tmp_path / "all.tex").write_text(document)
    run = subprocess.run(
        ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "all.tex"], cwd=tmp_path, capture_output=True
    )
    assert run.returncode == 0, run.stdout.decode(errors="replace")[-2000:]


def test_a_table_of_sentences_goes_on_on_a_second_page():
    columns = [Column("claim", "Claim", numeric=False, wide=0.5), Column("n", "n")]
    groups = [
        Group(f"Group {number}", [new_row("computed", claim="word " * 60, n=number) for _ in range(4)], "holds")
        for number in range(6)
    ]
    tex = latex(Table("table_claims", "Claims", "All of them.", columns, groups, ["A note."]))
    parts = tex.split(r"\end{table*}")[:-1]
    assert len(parts) == 3
    assert [re.findall(r"Group (\d)", part) for part in parts] == [["0", "1"], ["2", "3"], ["4", "5"]]
    assert [r"\label{tab:table-claims}" in part for part in parts] == [True, False, False]
    assert ["A note." in part for part in parts] == [False, False, True]
    assert "Claims, continued." in parts[1]
    assert r"\addtocounter{table}{-1}" in parts[2]


def test_a_group_that_is_more_than_a_page_is_broken_between_its_rows():
    columns = [Column("claim", "Claim", numeric=False, wide=0.5), Column("n", "n")]
    rows = [new_row("computed", claim="word " * 60, n=number) for number in range(30)]
    groups = [Group("First:", rows[:2], "holds"), Group("Long:", rows, "holds"), Group("Last:", rows[:1])]
    tex = latex(Table("table_claims", "Claims", "All of them.", columns, groups))
    parts = tex.split(r"\end{table*}")[:-1]
    found = [re.findall(r"\\textit\{(.*?)\}", part) for part in parts]
    assert found == [["First:"], ["Long:"], ["Long, continued:"], ["Long, continued:"], ["Long, continued:", "Last:"]]
    assert tex.count("word ") == 60 * 33
    numbers = [int(number) for part in parts for number in re.findall(r"\} & (\d+) \\\\", part)]
    assert numbers == [0, 1, *range(30), 0]
    # headings are sentences, and break as these do
    assert tex.count(r"\multicolumn{2}{p{0.98\textwidth}}") == 6


def test_tables_are_the_same_bytes_twice(synthetic, reports, tmp_path):
    again = synthetic.render("table1", tmp_path)
    for suffix in (".tex", ".json"):
        assert again.with_suffix(suffix).read_bytes() == (reports / "table1").with_suffix(suffix).read_bytes()


def test_pretrained_networks_bring_no_warning(smoke, synthetic, tmp_path, monkeypatch):
    shutil.copytree(synthetic.root / "results", tmp_path / "results")
    monkeypatch.chdir(tmp_path)
    for job in contents.inputs(synthetic.plan, "table1"):
        if job.chapter == "evaluate":
            record = read_record(job.path)
            trained = [
                item.model_copy(update={"network": item.network and item.network.split(",")[0] + ", pretrained"})
                for item in record.measurements
            ]
            networks = {item.network: FeatureNetwork(origin="published", files={}) for item in trained if item.network}
            changed = {"measurements": trained, "networks": networks}
            write_record(tmp_path / job.path, record.model_copy(update=changed))
    render.run(smoke, synthetic.plan, "table1", tmp_path / "table1.tex")
    content = json.loads((tmp_path / "table1.json").read_text())
    assert "not comparable" not in content["caption"]
    assert "InceptionV3 2048 (75 px), pretrained" in content["caption"]
    assert content["random_networks"] == []


def test_a_value_that_is_not_a_number_is_shown_and_never_the_best(smoke, synthetic, tmp_path, monkeypatch):
    shutil.copytree(synthetic.root / "results", tmp_path / "results")
    monkeypatch.chdir(tmp_path)
    job = synthetic.plan.job("evaluate", "kl-f8-d4")
    record = read_record(job.path)
    broken = [
        item.model_copy(update={"value": float("nan")}) if item.metric == "rfid" else item
        for item in record.measurements
    ]
    write_record(tmp_path / job.path, record.model_copy(update={"measurements": broken}))
    render.run(smoke, synthetic.plan, "table1", tmp_path / "table1.tex")
    content = json.loads((tmp_path / "table1.json").read_text(), parse_constant=pytest.fail)
    cell = next(r for r in content["rows"] if r["cells"]["configuration"]["text"] == "kl-f8-d4")["cells"]["rfid"]
    assert cell == {"text": "nan", "value": None, "bold": False}


def test_a_measurement_without_n_is_refused(smoke, synthetic, tmp_path, monkeypatch):
    shutil.copytree(synthetic.root / "results" / "smoke" / "speed", tmp_path / "results" / "smoke" / "speed")
    monkeypatch.chdir(tmp_path)
    path = tmp_path / synthetic.plan.job("speed", "SDv2.1").path / "metrics.json"
    record = json.loads(path.read_text())
    del record["measurements"][0]["n"]
    path.write_text(json.dumps(record))
    with pytest.raises(DataError, match=r"measurements\.0\.n: Field required"):
        render.run(smoke, synthetic.plan, "table3", tmp_path / "table3.tex")
    assert not (tmp_path / "table3.tex").exists()
    with pytest.raises(ValueError, match="n\n"):
        Measurement(metric="psnr", value=1.0, protocol="")
