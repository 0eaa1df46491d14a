"""`pqgan bench evaluation` runs, and its table says what its figures say."""

import json

import pytest

from pqgan.bench.evaluation import ALONE, FIRST, PASS, run
from pqgan.cli import main
from pqgan.errors import SettingsError


def test_the_table_and_the_file_say_the_same(params_path, tmp_path, capsys):
    out = tmp_path / "bench.json"
    options = ["--params", str(params_path), "--scale", "smoke", "--images", "3", "--repeats", "1", "--out", str(out)]
    assert main(["bench", "evaluation", "f16-d16-S1-K64", *options]) == 0
    printed = capsys.readouterr().out
    result = json.loads(out.read_text())
    assert result["tokenizer"] == "f16-d16-S1-K64"
    assert set(result["seconds"]) == {ALONE, PASS, FIRST}
    for way, ratio in result["ratio"].items():
        assert ratio == pytest.approx(result["seconds"][way] / result["seconds"][ALONE])
        assert f"{ratio:.3f}x" in printed
    assert result["seconds"][FIRST] > 0
    assert "InceptionV3 2048 (75 px), random weights (seed 0)" in printed


def test_an_unknown_configuration_is_one_line(smoke):
    with pytest.raises(SettingsError, match="no tokenizer configuration 'x' at scale smoke"):
        run(smoke, "x")
