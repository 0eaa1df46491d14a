"""Each number that a table shows is the one of its own result or of the paper, in its own row and column."""

import json
from pathlib import Path

import pytest
from whole_plan import whole_plan

from pqgan.records import read_record
from pqgan.report import render
from pqgan.report.tables import schedule
from pqgan.report.tables.paper import paper_rows
from pqgan.settings import load


@pytest.fixture(scope="module")
def results(distinct) -> Path:
    """The working directory of this file's tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(distinct)
        yield distinct


@pytest.fixture(scope="module")
def tables(results, synthetic) -> dict[str, dict]:
    return {
        item: render.run(synthetic.settings, synthetic.plan, item, results / "made" / f"{item}.tex")
        for item in ("table1", "table2", "table3", "table4", "table5")
    }


def cells(table: dict, source: str) -> list[dict[str, dict]]:
    return [row["cells"] for row in table["rows"] if row["source"] == source]


DIGITS = {
    "psnr": lambda value: f"{value:.1f}",
    "rfid": lambda value: f"{value:.3g}",
    "cmmd": lambda value: f"{value:.3f}",
    "lpips": lambda value: f"{value:.4f}",
}
"""As the paper prints them, of values of the size that they have here."""


def test_each_measured_cell_is_its_own_result_s_metric(tables, results, synthetic):
    plan = synthetic.plan
    shown = {row["configuration"]["text"]: row for row in cells(tables["table1"], "measured")}
    assert len(shown) == 7 + 4
    for name, row in shown.items():
        record = read_record(plan.job("evaluate", name).path)
        for metric, digits in DIGITS.items():
            value = record.get(metric, on="val").value
            assert row[metric]["value"] == value
            if metric != "rfid":
                assert row[metric]["text"] == digits(value)
            else:
                assert float(row[metric]["text"]) == pytest.approx(value, rel=5e-3)
        if "@" in name:
            assert row["bits"]["value"] == record.get("bits_per_pixel", on="val").value
            continue
        config = plan.settings.scale.tokenizer.configs[name]
        assert (row["F"]["text"], row["d"]["text"]) == (str(config.F), str(config.d))
        assert row["latent_resolution"]["text"] == f"{64 // config.F}×{64 // config.F}"
    for row in cells(tables["table2"], "measured"):
        record = read_record(plan.job("evaluate", row["configuration"]["text"]).path)
        for metric in DIGITS:
            for role in ("FFHQ", "LSUN"):
                assert row[f"{metric}_{role}"]["value"] == record.get(metric, on=role).value
    assert len(cells(tables["table2"], "measured")) == 5


def test_each_generator_s_cells_are_its_own(tables, synthetic):
    shown = {row["generator"]["text"]: row for row in cells(tables["table3"], "measured")}
    assert list(shown) == ["SDv2.1", "PQSD-HR", "PQSD-Precise", "PQSD-Quick"]
    for name, row in shown.items():
        record = read_record(synthetic.plan.job("speed", name).path)
        for metric in ("images_per_second", "unet_seconds", "decode_seconds", "memory_gb"):
            value = record.get(metric).value
            assert row[metric]["value"] == value
            assert float(row[metric]["text"]) == pytest.approx(value, rel=5e-3)
        assert row["image_size"]["text"] == "{0}×{0}".format(record.subject["image_size"])
        assert row["latent_resolution"]["text"] == "{0}×{0}".format(record.subject["latent_size"])


def test_each_latent_s_cells_are_its_own(tables, synthetic):
    plan, latents = synthetic.plan, synthetic.settings.scale.ldm.latents
    behind = {"vae": "kl-f8-d4", "pqgan-f8": synthetic.chosen(8), "pqgan-f16": synthetic.chosen(16)}
    rows = {row["configuration"]["text"]: row for row in cells(tables["table5"], "measured")}
    assert rows.keys() == set(behind.values())
    for name, row in ((name, rows[behind[name]]) for name in latents):
        made = read_record(plan.job("generation", name).path)
        scored = read_record(plan.job("evaluate", behind[name]).path)
        assert row["gfid"]["value"] == made.get("gfid").value
        assert row["rfid"]["value"] == scored.get("rfid", on="val").value
        for metric in ("precision", "recall"):
            assert row[metric]["value"] == made.get(metric).value
        assert row["latent"]["text"] == latents[name].method
        assert (row["batch"]["text"], row["steps"]["text"], row["generator"]["text"]) == ("16", "100", "LDM (1.23M)")


SCHEDULE = [
    # model, data, px, steps, batch, rate: of params.yaml's smoke scale, written out
    ("f16-CHOSEN", "train", 64, 180, 4, "1×10⁻³"),
    ("f8-CHOSEN", "train", 64, 180, 4, "1×10⁻³"),
    ("f16-CHOSEN, fine-tuned", "train_large", 128, 40, 4, "5×10⁻⁴"),
    ("f8-CHOSEN, fine-tuned", "train_large", 128, 40, 4, "5×10⁻⁴"),
    ("PQSD-Precise, stage 1", "train_large", 64, 10, 8, "1×10⁻³"),
    ("PQSD-Precise, stage 2", "train_large", 96, 20, 8, "1×10⁻³"),
    ("PQSD-Precise, stage 2", "train_large", 96, 10, 8, "2×10⁻⁴"),
    ("PQSD-Quick, stage 1", "train_large", 64, 10, 8, "1×10⁻³"),
    ("PQSD-Quick, stage 2", "train_large", 96, 20, 8, "1×10⁻³"),
    ("PQSD-Quick, stage 2", "train_large", 96, 10, 8, "2×10⁻⁴"),
    ("PQSD-HR, stage 1", "train_large", 64, 10, 8, "1×10⁻³"),
    ("PQSD-HR, stage 2", "train_large", 96, 10, 8, "1×10⁻³"),
    ("PQSD-HR, stage 2", "train_large", 128, 10, 8, "1×10⁻³"),
    ("PQSD-HR, stage 2", "train_large", 192, 10, 4, "2×10⁻⁴"),
]


def lines_of(table: dict, synthetic) -> list[tuple]:
    keys = ("model", "data", "resolution", "steps", "batch", "rate")
    found = []
    for row in cells(table, "measured"):
        model, *rest = (row[key]["text"] for key in keys)
        for factor in (8, 16):
            model = model.replace(synthetic.chosen(factor), f"f{factor}-CHOSEN")
        side, _, other = rest[1].partition("×")
        assert side == other
        found.append((model, rest[0], int(side), *map(int, rest[2:4]), rest[4]))
    return found


def test_the_schedule_is_that_of_the_plan(tables, synthetic):
    assert lines_of(tables["table4"], synthetic) == SCHEDULE


def test_the_schedule_s_rate_is_multiplied_where_the_training_s_was(synthetic, changed_params, tmp_path, monkeypatch):
    settings = load(changed_params("scales.smoke.overrides.training.scale_lr", True), "smoke")
    changed = type(synthetic)(settings, tmp_path / "run", ["table4"])
    monkeypatch.chdir(changed.root)
    table = render.run(settings, whole_plan(settings), "table4", tmp_path / "table4.tex")
    rates = [line[-1] for line in lines_of(table, changed)]
    assert rates[:4] == ["4×10⁻³", "4×10⁻³", "2×10⁻³", "2×10⁻³"]
    assert rates[4:] == [line[-1] for line in SCHEDULE[4:]]


def test_each_training_s_batch_is_its_own(synthetic, changed_params, tmp_path, monkeypatch):
    settings = load(changed_params("scales.smoke.finetune.batch", 2), "smoke")
    changed = type(synthetic)(settings, tmp_path / "run", ["table4"])
    monkeypatch.chdir(changed.root)
    table = render.run(settings, whole_plan(settings), "table4", tmp_path / "table4.tex")
    assert [line[4] for line in lines_of(table, changed)] == [4, 4, 2, 2, *(line[4] for line in SCHEDULE[4:])]


COLUMNS = {
    "table1": {key: key for key in ("method", "latent", "F", "d", "K", "S", "psnr", "rfid", "cmmd", "lpips")},
    "table3": {"samples_per_second": "images_per_second", "memory_gb": "memory_gb"}
    | {key: key for key in ("generator", "image_size", "latent_resolution", "F", "d")},
    "table4": {
        "model": "model",
        "training_data": "data",
        "image_resolution": "resolution",
        "training_steps": "steps",
        "batch_size": "batch",
        "learning_rate": "rate",
    },
    "table5": {
        "latent_model": "latent",
        "F": "F",
        "generator": "generator",
        "batch_size": "batch",
        "training_steps": "steps",
        "rfid": "rfid",
        "gfid_5k": "gfid",
    },
}
"""Column of the paper's file -> of the table."""


def plain(text: str) -> str:
    """As the paper's file has it: 5×10⁻³ is 5e-3, 16×16 is 16x16, a dash is nothing."""
    digits = str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789")
    return text.replace("×10⁻", "e⁻").replace("×", "x").translate(digits).replace(",", "").replace("–", "")


def _as_shown(key: str, value: str) -> str:
    return f"{value}x{value}" if key == "image_resolution" else value


@pytest.mark.parametrize("item", COLUMNS)
def test_each_value_of_the_paper_stands_in_its_own_row_and_column(tables, item):
    columns = COLUMNS[item]
    expected = sorted(tuple(_as_shown(key, line[key]) for key in columns) for line in paper_rows(item))
    found = sorted(
        tuple(plain(row[key]["text"]) for key in columns.values()) for row in cells(tables[item], "reported")
    )
    assert found == expected


def test_each_value_of_the_paper_s_second_table_stands_below_its_own_set(tables):
    expected = sorted(
        (line["method"], line["latent_resolution"], line["dataset"], *(line[metric] for metric in DIGITS))
        for line in paper_rows("table2")
    )
    found = sorted(
        (
            row["method"]["text"],
            plain(row["latent_resolution"]["text"]),
            role,
            *(row[f"{metric}_{role}"]["text"] for metric in DIGITS),
        )
        for row in cells(tables["table2"], "reported")
        for role in ("FFHQ", "LSUN")
    )
    assert found == expected


def test_a_number_in_the_json_is_the_one_that_is_kept(results, tables):
    """What `dvc metrics` and the page read is what the LaTeX was made from."""
    for item, table in tables.items():
        assert json.loads((results / "made" / f"{item}.json").read_text())["rows"] == table["rows"]


def test_fine_tuning_has_a_batch_and_so_a_rate_of_its_own():
    training = {"resolution": 768, "steps": 100, "learning_rate": 1e-6}
    said = {"Training": training, "TrainingReading": {"total_batch": 20, "scale_lr": True}}
    for batch, rate in ((None, 20e-6), (4, 4e-6)):
        phase = schedule._Trained.model_validate({**said, "batch": batch}).phase()
        assert (phase.batch, phase.learning_rate) == (batch or 20, pytest.approx(rate))
