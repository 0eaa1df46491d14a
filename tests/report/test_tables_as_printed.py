"""Tables 1 to 5 as the paper prints them, what this run measured beside its rows, and the sweep behind its figures."""

import itertools
import json

import pytest

from pqgan.records import read_record
from pqgan.report.tables.paper import paper_rows

NUMBERED = [f"table{number}" for number in range(1, 6)]


@pytest.fixture(scope="module")
def tables(reports) -> dict[str, dict]:
    return {item: json.loads((reports / f"{item}.json").read_text()) for item in [*NUMBERED, "table_sweep"]}


def rows(table: dict, source: str) -> list[dict[str, str]]:
    """Texts of the rows of one source."""
    return [
        {key: cell["text"] for key, cell in row["cells"].items()} for row in table["rows"] if row["source"] == source
    ]


PRINTED = {
    "table1": ["Method", "Latent", "F", "Latent resolution", "d", "K", "PSNR [dB] ↑", "rFID ↓", "CMMD ↓", "LPIPS ↓"],
    "table2": ["Method", "F", "Latent resolution", *2 * ["rFID ↓", "PSNR [dB] ↑", "CMMD ↓", "LPIPS ↓", "n"]],
    "table3": ["Generator", "Image size [px]", "Latent resolution", "F", "d", "Samples/s ↑", "Memory [GB] ↓"],
    "table4": ["Model", "Training data", "Image resolution", "Training steps", "Batch size", "Learning rate"],
    "table5": [
        *("Latent model", "F", "Generator", "Batch size [images]", "Training steps"),
        *("rFID ↓", "gFID ↓"),
    ],
}
"""The paper's columns, in its order; ours stand behind them, but for F and n of Table 2."""


@pytest.mark.parametrize("item", NUMBERED)
def test_columns_are_the_papers_in_its_order_and_then_ours(tables, item):
    headers = [column["header"] for column in tables[item]["columns"]]
    assert headers[: len(PRINTED[item])] == PRINTED[item]
    assert "Source" in headers[len(PRINTED[item]) :]


@pytest.mark.parametrize("item", NUMBERED)
def test_rows_of_the_paper_stand_in_its_order(tables, item):
    first = tables[item]["columns"][0]["key"]
    lines = paper_rows(item)
    printed = [next(iter(line.values())) for line in (lines[::2] if item == "table2" else lines)]
    assert [row[first] for row in rows(tables[item], "reported")] == printed


def test_table1_has_what_was_measured_of_a_method_beside_what_the_paper_reports(tables, synthetic):
    shown = [
        (row["cells"]["method"]["text"], row["cells"]["F"]["text"], row["cells"]["configuration"]["text"])
        for row in tables["table1"]["rows"]
    ]
    nothing = "–"
    assert shown == [
        *[("VQGAN", "16", nothing)] * 2,
        ("VQGAN", "16", "vqgan-f16-d32-K128"),
        *(("VQGAN (LDM)", F, nothing) for F in ("16", "8", "4")),
        *(("VQGAN-LC", F, nothing) for F in ("16", "8")),
        ("ViT-VQGAN", "8", nothing),
        ("Mo-VQGAN", "16", nothing),
        ("RQ-VAE", "32", nothing),
        ("LDM VAE", "16", nothing),
        ("LDM VAE", "8", nothing),
        ("LDM VAE", "8", "kl-f8-d4"),
        ("LDM VAE", "4", nothing),
        ("SDv2.1 VAE", "8", nothing),
        ("SDXL VAE", "8", nothing),
        ("PQGAN", "32", nothing),
        ("PQGAN", "32", "f32-d32-S16-K64"),
        ("PQGAN", "16", nothing),
        ("PQGAN", "16", synthetic.chosen(16)),
        ("PQGAN", "8", nothing),
        ("PQGAN", "8", synthetic.chosen(8)),
        *(("PCA + PQ, linear", str(F), f"linear-f{F}-d64-S32-K256") for F in (8, 16)),
        *(("JPEG", nothing, f"jpeg@{bits}") for bits in (1, 3)),
        *(("WebP", nothing, f"webp@{bits}") for bits in (1, 3)),
    ]
    groups = [row["group"] for row in tables["table1"]["rows"]]
    assert groups == [""] * (len(groups) - 6) + ["Not in the paper's Table 1"] * 6
    assert tables["table1"]["rows"][-8]["cells"]["rfid"]["text"] == "0.036"


def test_codecs_stand_with_the_bits_that_they_reach(tables):
    measured = {row["configuration"]: row for row in rows(tables["table1"], "measured")}
    assert [measured[f"{codec}@{bits}"]["bits"] for codec in ("jpeg", "webp") for bits in (1, 3)] == [
        *("0.980", "2.94") * 2
    ]
    for name in ("jpeg@1", "webp@3"):
        for key in ("F", "d", "S", "K", "latent", "latent_resolution", "entropy"):
            assert measured[name][key] == "–", key
    (note,) = [note for note in tables["table1"]["notes"] if note.startswith("Codecs, which the paper does not have")]
    assert "jpeg@1: 20 (4:2:0), jpeg@3: 60 (4:2:0), webp@1: 20 (4:2:0)" in note
    assert note.endswith("Made by Pillow 1.2, libcodec 3.")
    bold = [row for row in tables["table1"]["rows"] if row["group"] and any(c["bold"] for c in row["cells"].values())]
    assert bold == []


def test_a_rule_stands_above_each_method_but_the_first(tables):
    table = tables["table1"]
    # linear tokenizers and codecs stand below a heading
    methods = [row["cells"]["method"]["text"] for row in table["rows"] if not row["group"]]
    changes = [False, *(one != other for one, other in itertools.pairwise(methods))]
    assert [row["ruled"] for row in table["rows"]] == changes + [False] * 6
    assert sum(changes) == 9


def test_rows_of_f_4_are_grey_and_the_caption_says_why(tables):
    grey = [
        (row["cells"]["method"]["text"], row["cells"]["F"]["text"]) for row in tables["table1"]["rows"] if row["grey"]
    ]
    assert grey == [("VQGAN (LDM)", "4"), ("LDM VAE", "4")]
    assert "Rows of F=4 are grey" in tables["table1"]["caption"]
    assert "upper bounds of competing methods (section 4.4)" in tables["table1"]["caption"]
    for item in set(tables) - {"table1"}:
        assert not any(row["grey"] for row in tables[item]["rows"])
        assert "grey" not in tables[item]["caption"]


def test_bits_a_pixel_are_those_of_the_indices(tables):
    bits = {(row["method"], row["F"], row["K"]): row["bits"] for row in rows(tables["table1"], "reported")}
    assert bits["PQGAN", "8", "512"] == "9.00"
    assert bits["PQGAN", "16", "128"] == "1.75"
    assert bits["PQGAN", "32", "256"] == "0.500"
    assert bits["VQGAN", "16", "1024"] == "0.0391"
    assert bits["LDM VAE", "8", "–"] == bits["RQ-VAE", "32", "16,384"] == bits["Mo-VQGAN", "16", "1024"] == "–"
    measured = {row["configuration"]: row for row in rows(tables["table1"], "measured")}
    # these records are of before bits were measured: what is stored is the subject's, its entropy nobody knows
    assert (measured["vqgan-f16-d32-K128"]["bits"], measured["vqgan-f16-d32-K128"]["entropy"]) == ("0.0273", "–")
    assert measured["kl-f8-d4"]["bits"] == measured["kl-f8-d4"]["entropy"] == "–"
    assert {row["entropy"] for row in rows(tables["table1"], "reported")} == {"–"}
    swept = {row["configuration"]: row["bits"] for row in rows(tables["table_sweep"], "measured")}
    assert swept["f8-d32-S16-K64"] == "1.50"
    assert swept["f8-d16-S1-K64"] == "0.0938"


def test_rows_have_their_n(tables):
    for item in ("table1", "table3", "table_sweep"):
        assert {row["n"] for row in rows(tables[item], "measured")} == {"3" if item == "table3" else "48"}
        assert {row["n"] for row in rows(tables[item], "reported")} <= {"–"}
    assert {row["n_FFHQ"] for row in rows(tables["table2"], "measured")} == {"48"}


def test_the_sweep_has_a_row_a_configuration_with_all_of_its_numbers(tables, smoke, synthetic):
    shown = rows(tables["table_sweep"], "measured")
    configs = {
        name: config for name, config in smoke.scale.tokenizer.designs.items() if config.kind in ("pq", "linear")
    }
    assert sorted(row["configuration"] for row in shown) == sorted(configs)
    for cells in tables["table_sweep"]["rows"]:
        name = cells["cells"]["configuration"]["text"]
        config = configs[name]
        of = ": PCA + PQ, linear (not in the paper's sweep)" if config.kind == "linear" else ""
        assert cells["group"] == f"F={config.F}, d={config.d}{of}"
        assert [cells["cells"][key]["text"] for key in "FdSK"] == [str(getattr(config, key)) for key in "FdSK"]
        record = read_record(synthetic.folder(synthetic.plan.job("evaluate", name)))
        for metric in ("psnr", "rfid", "cmmd", "lpips", "H_n", "P_n"):
            assert cells["cells"][metric]["value"] == record.get(metric, on="val").value
    assert {row["seeds"] for row in shown} == {"1"}
    assert tables["table_sweep"]["caption"].startswith("Not in the paper")
    assert tables["table_sweep"]["title"] == "Every configuration of the sweep; not in the paper"


def test_the_sweep_counts_replicates_and_shows_none(replicated, params_path):
    settings = replicated.settings
    made = type(replicated)(settings, replicated.root, ["table_sweep"])
    shown = json.loads(made.render("table_sweep", replicated.root / "made").with_suffix(".json").read_text())
    seeds = {row["cells"]["configuration"]["text"]: row["cells"]["seeds"]["text"] for row in shown["rows"]}
    assert seeds["f8-d16-S8-K64"] == seeds["f8-d32-S1-K64"] == "3"
    assert seeds["f8-d16-S4-K64"] == "1"
    assert not any("seed" in name for name in seeds)


def test_table2_names_the_sets_that_play_the_roles(tables):
    over = [column["over"] for column in tables["table2"]["columns"]]
    heads = ["FFHQ; here the set microscopy"] * 5 + ["LSUN; here the set textures"] * 5
    assert over == ["", "", "", *heads, "", ""]
    assert "microscopy in the role of FFHQ (n = 48)" in tables["table2"]["caption"]
    assert "on FFHQ (10,000 images) and LSUN (3000 images)" in tables["table2"]["caption"]


def test_table2_has_the_papers_rows_with_ours_beside_them(tables, synthetic):
    shown = [
        (row["group"], *(row["cells"][key]["text"] for key in ("method", "F", "configuration")))
        for row in tables["table2"]["rows"]
    ]
    assert shown == [
        ("", "VQGAN-LC", "8", "–"),
        ("", "SDv2.1 VAE", "8", "–"),
        ("", "SDXL VAE", "8", "–"),
        ("", "PQGAN", "16", "–"),
        ("", "PQGAN", "16", synthetic.chosen(16)),
        ("", "PQGAN", "8", "–"),
        ("", "PQGAN", "8", synthetic.chosen(8)),
        ("Not in the paper's Table 2", "LDM VAE", "8", "kl-f8-d4"),
        *(("Not in the paper's Table 2", "PCA + PQ, linear", str(F), f"linear-f{F}-d64-S32-K256") for F in (8, 16)),
    ]


BETTER = {"psnr": max, "rfid": min, "cmmd": min, "lpips": min}


def test_bold_in_table2_is_the_best_of_a_set_and_f(tables):
    cells = {row["cells"]["configuration"]["text"]: row["cells"] for row in tables["table2"]["rows"]}
    measured = {name: row for name, row in cells.items() if name != "–"}
    of = {F: [row for row in measured.values() if row["F"]["text"] == F] for F in ("8", "16")}
    assert {F: len(rows) for F, rows in of.items()} == {"8": 3, "16": 2}
    for role, (metric, better), F in itertools.product(("FFHQ", "LSUN"), BETTER.items(), of):
        key = f"{metric}_{role}"
        best = better(row[key]["value"] for row in of[F])
        assert [row[key]["bold"] for row in of[F]] == [row[key]["value"] == best for row in of[F]]
    assert any(
        "Bold: best measured value of a column among rows of the same set and F" in n for n in tables["table2"]["notes"]
    )


def test_table3_says_how_the_paper_measured_and_what_guidance_does(tables):
    assert "of one sample at a time on an A100 GPU with 50 sampling steps" in tables["table3"]["caption"]
    doubled = (
        "Guidance of 7.5 doubles the U-Net's batch: each step computes it with the prompt and without (reading 23)."
    )
    assert doubled in tables["table3"]["notes"]
    generators = [row["cells"]["generator"]["text"] for row in tables["table3"]["rows"]]
    assert generators == [name for name in ("SDv2.1", "PQSD-HR", "PQSD-Precise", "PQSD-Quick") for _ in range(2)]


def test_table4_has_the_papers_labels_with_the_reading_beside(tables):
    read = [(row["model"], row["resolution"], row["read"]) for row in rows(tables["table4"], "reported")]
    assert [row for row in read if row[2] != "–"] == [("PQSD-HR", "768×768", "PQSD-Quick (17)")]
    assert read[7][2] == "PQSD-Quick (17)"
    assert [row[0] for row in read].count("PQSD-Quick") == 2
    assert [row[0] for row in read].count("PQSD-HR") == 5
    devices = [row["device"] for row in rows(tables["table4"], "reported")]
    assert devices == ["4×A100 (A.1)", "3×H100 (A.1)", *["4×H200 (A.2)"] * 10]
    notes = " ".join(tables["table4"]["notes"])
    assert (
        "The first row under PQSD-HR in the paper's table is read as the last phase of PQSD-Quick (reading 17)."
        in notes
    )
    assert (
        "384 px in the paper's table and of 512 px in its appendix A.2; that of this run has 64 px (reading 16)"
        in notes
    )


def test_table5_has_latents_of_one_name_and_f_beside_each_other(tables):
    shown = [
        (row["group"], row["source"], row["cells"]["latent"]["text"], row["cells"]["F"]["text"])
        for row in tables["table5"]["rows"]
    ]
    assert shown == [
        ("", "reported", "SDv2.1-VAE", "8"),
        *(("", source, "PQGAN", F) for F in ("8", "16") for source in ("reported", "measured")),
        ("Not in the paper's Table 5", "measured", "KL VAE", "8"),
    ]


def test_table5_has_the_papers_generator_and_its_size_from_the_text(tables):
    assert {row["generator"] for row in rows(tables["table5"], "reported")} == {"LDM"}
    assert "gFID of 5,000 samples; appendix D says that its LDM has 400M parameters." in tables["table5"]["caption"]
