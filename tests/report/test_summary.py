"""pqgan summary: the measured numbers of tables, and no others."""

import json

import pytest

from pqgan.cli import main


def cell(text, value=None):
    return {"text": text, "value": value, "bold": False}


def row(source, **cells):
    return {"group": "", "source": source, "cells": cells}


@pytest.fixture
def tables(tmp_path):
    content = {
        "table1": [
            row("measured", configuration=cell("f8-d16"), psnr=cell("20.1", 20.125), rfid=cell("3", 3.0)),
            row("reported", configuration=cell("f8-d16"), psnr=cell("30.0")),
        ],
        "table2": [
            row("measured", configuration=cell("f8-d16"), psnr_FFHQ=cell("19.0", 19.0), psnr_LSUN=cell("18.0", 18.0)),
        ],
        "table3": [row("measured", generator=cell("PQSD-HR"), memory_gb=cell("0.8", 0.8))],
        "table_claims": [
            row("computed", compared=cell("slope over d"), metric=cell("PSNR"), difference=cell("+1 dB", 1.0)),
            row("computed", compared=cell("nothing"), metric=cell("PSNR"), difference=cell("-")),
        ],
        "table4": [row("measured", model=cell("PQSD-HR"), steps=cell("20"))],
    }
    for name, rows in content.items():
        (tmp_path / f"{name}.json").write_text(json.dumps({"item": name, "rows": rows}))
    return sorted(map(str, tmp_path.glob("table*.json")))


def test_measured_numbers_by_table_row_and_column(tables, tmp_path):
    assert main(["summary", *tables, "--out", str(tmp_path / "metrics.json")]) == 0
    assert json.loads((tmp_path / "metrics.json").read_text()) == {
        "table1": {"f8-d16": {"psnr": 20.125, "rfid": 3.0}},
        "table2": {"f8-d16": {"psnr_FFHQ": 19.0, "psnr_LSUN": 18.0}},
        "table3": {"PQSD-HR": {"memory_gb": 0.8}},
        "table_claims": {"slope over d: PSNR": {"difference": 1.0}},
    }


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (None, "no such file"),
        ("not JSON", "Invalid JSON"),
        ("[]", "Input should be an object"),
        ('{"rows": [{"source": "measured"}]}', "rows.0.group: Field required"),
    ],
)
def test_what_is_no_table_is_one_line(tmp_path, capsys, content, why):
    if content is not None:
        (tmp_path / "table1.json").write_text(content)
    arguments = ["summary", str(tmp_path / "table1.json"), "--out", str(tmp_path / "metrics.json")]
    assert main(arguments) == 3
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert f"table1.json: {why}" in error
    assert error.endswith("; expected a rendered table; make it again with snakemake\n")
    assert not (tmp_path / "metrics.json").exists()
