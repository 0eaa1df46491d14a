"""pqgan bench train: the figures, the table, and the command on real and on random images."""

import json
import re
import signal
import tempfile
from pathlib import Path

import pytest
from whole_plan import whole_plan

from pqgan.bench import training_steps
from pqgan.bench.training_result import Measured
from pqgan.bench.training_table import table
from pqgan.cli import main
from pqgan.data.prepare import run as prepare

NAME = "f8-d16-S8-K64"


def measured(**changes):
    values = {
        "batch": 4,
        "alone": [1.0, 2.0, 1.0],
        "waiting": [0.1, 0.2, 0.1],
        "sections": {"generator": 2.0, "discriminator": 0.8, "perceptual loss": 0.4, "adaptive weight": 0.2},
        "quantiser": [0.1, 0.1, 0.5],
        "ours": [0.5, 0.5, 2.0],
        "reference": [2.0, 1.0, 2.0],
        "memory": {"ours": 3_000_000_000},
        "flops": {"ours": 10**12, "reference": 2 * 10**12},
    }
    return Measured(**values | changes)


def test_figures_are_medians_and_shares_of_all_steps():
    figures = measured().figures()
    assert figures["ours"]["images_per_second"] == 8
    assert figures["reference"]["images_per_second"] == 2
    assert figures["ratio"] == 4
    assert (figures["ours"]["tflops"], figures["reference"]["tflops"]) == (2, 1)
    assert figures["ours"]["seconds"]["quartiles"] == [0.5, 1.25]
    assert figures["ours"]["seconds"]["extremes"] == [0.5, 2.0]
    shares = figures["shares"]
    assert shares["data"] == pytest.approx(0.1)
    assert shares["generator"] == pytest.approx(0.5)
    assert shares["rest"] == pytest.approx(1 - 0.1 - 3.4 / 4)
    assert shares["quantiser"] == pytest.approx(0.1)
    assert sum(share for name, share in shares.items() if name != "quantiser") == pytest.approx(1)


def test_without_a_reference_the_speed_is_that_of_our_steps_by_themselves():
    figures = measured(ours=[], reference=[], quantiser=[]).figures()
    assert figures["ours"]["images_per_second"] == 4
    assert "reference" not in figures
    assert "ratio" not in figures
    assert figures["shares"]["quantiser"] is None


def result(figures, reference="a plain step"):
    peak = {"arithmetic": "fp32", "measured": 8e12, "published": None}
    protocol = {"device": "a device", "precision": "32-true", "compile": True, "channels_last": False, "batch": 4}
    protocol |= {"resolution": 64, "data": "random images", "warm_up": 5, "steps": 3, "memory": "resident"}
    return {
        "protocol": protocol | {"reference": reference},
        "peak": {"ours": peak, "reference": peak},
        "configurations": {NAME: figures},
    }


def lines_of(text):
    return {line.split("  ")[0]: line.split() for line in text.splitlines() if not line.startswith(" ")}


def test_the_table_has_a_column_for_each_variant():
    text = table(result(measured().figures()))
    lines = lines_of(text)
    assert lines["images/s"] == ["images/s", "8.00", "2.00"]
    assert lines["times the reference"][-1] == "4.00"
    assert lines["ms a step"][-2:] == ["500.0", "2000.0"]
    assert re.search(r"share of the measured peak +25\.0% +12\.5%\n", text)
    assert "published" not in text  # nothing is known of this device
    assert "a device, 32-true, compile; batch 4, 64 px; random images" in text


def test_the_table_without_a_reference_does_not_speak_of_one():
    text = table(result(measured(ours=[], reference=[]).figures(), reference=None))
    assert "times the reference" not in text
    assert "turns" not in text


@pytest.fixture
def command(params_path, tmp_path):
    def run(*arguments):
        out = tmp_path / "bench.json"
        code = main(["bench", "train", "--params", str(params_path), "--scale", "smoke", "--out", str(out), *arguments])
        return code, json.loads(out.read_text()) if out.is_file() else None

    return run


def test_bench_on_random_images(command, capsys, monkeypatch, tmp_path):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    code, found = command(NAME, "kl-f8-d4", "--steps", "2", "--precision", "bf16-mixed", "--channels-last")
    assert code == 0
    assert found["protocol"]["precision"] == "bf16-mixed"
    assert found["protocol"]["channels_last"]
    assert found["peak"]["ours"]["arithmetic"] == "bf16"
    assert found["peak"]["reference"]["arithmetic"] == "fp32"
    for name, figures in found["configurations"].items():
        assert len(figures["alone"]["all"]) == len(figures["reference"]["seconds"]["all"]) == 2
        # a second forward pass, and perceptual network and discriminator gone through more often
        assert 1.2 < figures["reference"]["flops"] / figures["ours"]["flops"] < 2
        shares = figures["shares"]
        assert shares["data"] < 0.01
        assert min(shares["generator"], shares["discriminator"], shares["perceptual loss"]) > 0.02
        assert (shares["quantiser"] is None) == (name == "kl-f8-d4")
    assert "times the reference" in capsys.readouterr().out
    assert [path.name for path in tmp_path.iterdir()] == ["bench.json"]


def test_bench_on_a_prepared_set_waits_for_the_loader(command, smoke, tmp_path, capsys):
    folder = tmp_path / "train"
    prepare(smoke, whole_plan(smoke).job("data", "train"), out=folder)
    code, found = command(NAME, "--steps", "2", "--no-reference", "--data", str(folder), "--workers", "1")
    assert code == 0
    assert found["protocol"]["data"] == "train, 1 loader processes"
    figures = found["configurations"][NAME]
    assert "reference" not in figures
    assert figures["shares"]["data"] > 0
    assert "waiting for data" in capsys.readouterr().out


def test_the_default_is_a_product_quantiser_of_every_factor(command, monkeypatch):
    asked = []

    class Asked(training_steps.Bench):
        def run(self, steps, reference):
            asked.append(self.config.name)
            return measured()

    monkeypatch.setattr("pqgan.bench.training.Bench", Asked)
    assert command()[0] == 0
    assert asked == ["f8-d16-S1-K64", "f16-d16-S1-K64", "f32-d32-S16-K64"]


def test_an_unknown_configuration_is_one_line(command, capsys):
    assert command("f8-d9-S9-K9") == (2, None)
    assert "no tokenizer configuration 'f8-d9-S9-K9' at scale smoke" in capsys.readouterr().err


def test_an_interrupted_bench_leaves_nothing(command, capsys, monkeypatch, tmp_path):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(training_steps, "synchronise", lambda device: signal.raise_signal(signal.SIGINT))
    assert command(NAME, "--steps", "2") == (130, None)
    assert "interrupted" in capsys.readouterr().err
    assert list(Path(tmp_path).iterdir()) == []
