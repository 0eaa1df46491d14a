"""Selection: the best measured candidate, or the one the reading names."""

import itertools
import json
import math
import shutil
from pathlib import Path

import pytest
from pydantic import ValidationError
from whole_plan import whole_plan

from pqgan.errors import DataError
from pqgan.provenance import provenance, write_provenance
from pqgan.records import Measurement, Record, write_record
from pqgan.settings import load
from pqgan.storage.manifest import damages, read_sums, write_sums
from pqgan.tokenizer.select import ranked, run
from pqgan.tokenizer.selected import Selected

METRICS = ("psnr", "cmmd", "lpips")


@pytest.fixture
def results(tmp_path, monkeypatch):
    """Make the inputs of a selection below the working directory.

    Values of psnr, cmmd and lpips by name; (10, 1, 1) where not given, and of a lone number psnr, 1 and 1.
    """
    monkeypatch.chdir(tmp_path)

    def make(job, metrics=METRICS, **values):
        for role, other in job.inputs.items():
            kind, _, name = role.partition("-")
            folder = Path(other.path)
            folder.mkdir(parents=True)
            if kind == "model":
                (folder / "config.json").write_text(name)
                write_provenance(folder, other)
            else:
                own = values.get(name.replace("-", "_"), 10.0)
                own = own if isinstance(own, tuple) else (own, 1.0, 1.0)
                measured = [
                    Measurement(metric=metric, value=value, n=4, protocol="test", on="val")
                    for metric, value in zip(METRICS, own, strict=True)
                    if metric in metrics
                ]
                subject = {"kind": "pq", "F": 16, "d": 16, "S": 8, "K": 64}
                about = {"kind": "reconstruction", "name": name, "scale": "smoke", "subject": subject}
                how = {"device": "CPU", "dtype": "fp32", "seconds": 1.0, "provenance": provenance(other)}
                record = Record(**about, **how, measurements=measured)
                write_record(folder, record)

    return make


@pytest.fixture
def wider(changed_params, smoke):
    """The smoke scale with another third configuration of F=16."""
    sweep = [config.model_dump() for config in smoke.scale.tokenizer.sweep]
    (place,) = (number for number, config in enumerate(sweep) if (config["F"], config["d"]) == (16, 64))
    sweep[place] = {"F": 16, "d": 16, "S": 4, "K": 64}
    return load(changed_params("scales.smoke.tokenizer.sweep", sweep), "smoke")


def test_the_best_mean_rank_is_selected_and_copied_whole(wider, results):
    """Ranks by PSNR, CMMD, LPIPS: S=8 1, 2, 1; d=32 2, 1, 3; S=4 3, 3, 2."""
    job = whole_plan(wider).job("select", "f16")
    results(job, f16_d16_S8_K64=(12.5, 0.5, 0.1), f16_d32_S16_K64=(11, 0.25, 0.5), f16_d16_S4_K64=(10, 0.75, 0.25))
    run(wider, job, out=Path("out"))
    about = json.loads(Path("out/selected.json").read_text())
    assert (about["run"], about["F"], about["mode"], about["metrics"]) == (
        "f16-d16-S8-K64",
        16,
        "measured",
        ["psnr", "cmmd", "lpips"],
    )
    assert about["candidates"] == {
        "f16-d16-S8-K64": {"values": {"psnr": 12.5, "cmmd": 0.5, "lpips": 0.1}, "mean_rank": pytest.approx(4 / 3)},
        "f16-d32-S16-K64": {"values": {"psnr": 11, "cmmd": 0.25, "lpips": 0.5}, "mean_rank": 2},
        "f16-d16-S4-K64": {"values": {"psnr": 10, "cmmd": 0.75, "lpips": 0.25}, "mean_rank": pytest.approx(8 / 3)},
    }
    assert about["top"] == ["f16-d16-S8-K64", "f16-d32-S16-K64", "f16-d16-S4-K64"]
    assert about["left_out"] == []
    assert Path("out/config.json").read_text() == "f16-d16-S8-K64"
    assert json.loads(Path("out/provenance.json").read_text())["job"]["chapter"] == "select"


def test_no_more_than_three_are_at_the_top(smoke, results):
    job = whole_plan(smoke).job("select", "f8")
    assert len([role for role in job.inputs if role.startswith("model-")]) == 6
    results(job, f8_d16_S4_K64=14.0, f8_d32_S16_K64=13.0, f8_d16_S8_K256=12.0)
    run(smoke, job, out=Path("out"))
    about = json.loads(Path("out/selected.json").read_text())
    assert about["top"] == ["f8-d16-S4-K64", "f8-d32-S16-K64", "f8-d16-S8-K256"]
    assert len(about["candidates"]) == 6


@pytest.mark.parametrize("factor", [8, 16])
def test_no_vq_is_a_candidate(smoke, factor):
    """PQGAN is a product quantiser: S=1 is trained and measured beside it, and never called so."""
    plan = whole_plan(smoke)
    vq = {name for name, config in smoke.scale.tokenizer.designs.items() if config.kind == "pq" and config.S == 1}
    assert f"f{factor}-d16-S1-K64" in vq
    job = plan.job("select", f"f{factor}")
    assert not {f"{kind}-{name}" for kind in ("model", "metrics") for name in vq} & job.inputs.keys()
    assert plan.job("evaluate", f"f{factor}-d16-S1-K64")


def test_one_metric_may_decide(changed_params, results):
    settings = load(changed_params("scales.smoke.selection.metrics", ["lpips"]), "smoke")
    job = whole_plan(settings).job("select", "f16")
    results(job, f16_d16_S8_K64=(12, 1, 0.5), f16_d32_S16_K64=(11, 1, 0.25))
    run(settings, job, out=Path("out"))
    assert json.loads(Path("out/selected.json").read_text())["run"] == "f16-d32-S16-K64"


def test_a_named_selection_copies_the_named_one(changed_params, results):
    path = changed_params("scales.smoke.selection.mode", "named")
    raw = path.read_text()
    path.write_text(raw.replace("f8-d128-S64-K512", "f8-d32-S16-K64").replace("f16-d128-S64-K128", "f16-d32-S16-K64"))
    settings = load(path, "smoke")
    job = whole_plan(settings).job("select", "f8")
    results(job)
    run(settings, job, out=Path("out"))
    about = json.loads(Path("out/selected.json").read_text())
    assert (about["run"], about["mode"], about["candidates"]) == ("f8-d32-S16-K64", "named", {})


def test_a_candidate_without_the_metric_is_named_and_nothing_is_published(smoke, results):
    job = whole_plan(smoke).job("select", "f16")
    results(job, metrics=("psnr", "lpips"))
    with pytest.raises(DataError, match=r"metrics\.json: no headline 'cmmd' on val"):
        run(smoke, job, out=Path("out"))
    assert not Path("out").exists()


def test_the_copy_has_sums_of_its_own(smoke, results):
    job = whole_plan(smoke).job("select", "f16")
    results(job, f16_d16_S8_K64=12.5)
    write_sums(Path(job.inputs["model-f16-d16-S8-K64"].path), "tokenizer")
    run(smoke, job, out=Path("out"))
    assert damages(Path("out")) == []
    assert read_sums(Path("out")).kind == "select"


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_candidate_without_finite_metrics_is_named_and_left_out(wider, results, capsys, place, bad):
    """Best by the two others: it takes no rank from those that stay."""
    values = [99.0, 0.01, 0.01]
    values[place] = bad
    job = whole_plan(wider).job("select", "f16")
    results(job, f16_d16_S8_K64=tuple(values), f16_d32_S16_K64=(12, 1, 1), f16_d16_S4_K64=(11, 2, 2))
    run(wider, job, out=Path("out"))
    about = json.loads(Path("out/selected.json").read_text())
    assert about["run"] == "f16-d32-S16-K64"
    assert about["left_out"] == ["f16-d16-S8-K64"]
    assert {name: candidate["mean_rank"] for name, candidate in about["candidates"].items()} == {
        "f16-d32-S16-K64": 1,
        "f16-d16-S4-K64": 2,
    }
    assert capsys.readouterr().out == f"f16: f16-d16-S8-K64 is left out: its {METRICS[place]} is {bad}\n"


def test_without_any_finite_candidate_nothing_is_selected(smoke, results):
    job = whole_plan(smoke).job("select", "f16")
    values = {"f16_d16_S8_K64": math.inf, "f16_d32_S16_K64": (10, 1, math.nan), "f16_d64_S32_K256": (10, math.nan, 1)}
    results(job, **values)
    told = "no candidate has a finite psnr and cmmd and lpips .f16-d16-S8-K64: psnr is inf, cmmd is 1.0, lpips is 1.0; "
    told += "f16-d32-S16-K64: psnr is 10.0, cmmd is 1.0, lpips is nan; "
    told += "f16-d64-S32-K256: psnr is 10.0, cmmd is nan, lpips is 1.0.; train"
    with pytest.raises(DataError, match=told):
        run(smoke, job, out=Path("out"))
    assert not Path("out").exists()


def ranks(measured, metrics=METRICS):
    return {name: candidate.mean_rank for name, candidate in ranked(measured, metrics).items()}


def row(*values):
    return dict(zip(METRICS, values, strict=True))


def test_equal_values_share_the_mean_of_their_ranks():
    """By PSNR: b 1, a and c 2.5 each, d 4; by CMMD all 2.5; by LPIPS: a, b and d 2 each, c 4."""
    measured = {"a": row(20, 1, 0.5), "b": row(21, 1, 0.5), "c": row(20, 1, 0.75), "d": row(19, 1, 0.5)}
    assert ranks(measured) == pytest.approx({"a": 7 / 3, "b": 5.5 / 3, "c": 3, "d": 8.5 / 3})
    assert list(ranks(measured)) == ["b", "a", "d", "c"]


def test_of_equal_mean_ranks_the_better_by_the_first_metric_is_first_then_the_first_by_name():
    """a: 2, 1, 3; b: 1, 3, 2; c: 3, 2, 1."""
    measured = {"a": row(20, 1, 0.75), "b": row(21, 3, 0.5), "c": row(19, 2, 0.25)}
    assert ranks(measured) == {"b": 2, "a": 2, "c": 2}
    assert list(ranks(measured)) == ["b", "a", "c"]
    assert list(ranks(measured, ("cmmd", "psnr", "lpips"))) == ["a", "c", "b"]
    tied = {name: row(20, 1, 0.5) for name in ("b", "c", "a")}
    assert [list(ranks(dict(order))) for order in itertools.permutations(tied.items())] == [["a", "b", "c"]] * 6


def test_the_mean_rank_and_not_one_metric_decides():
    """a is best by PSNR alone: 1, 3, 3; b: 2, 1, 1; c: 3, 2, 2."""
    measured = {"a": row(25, 9, 9), "b": row(20, 1, 1), "c": row(19, 2, 2)}
    assert ranks(measured) == pytest.approx({"b": 4 / 3, "a": 7 / 3, "c": 7 / 3})
    assert list(ranks(measured)) == ["b", "a", "c"]


OLD = {"run": "f8-d128-S64-K512", "F": 8, "mode": "named", "metric": None, "candidates": {}, "model": "results/x"}
NEW = {
    "run": "a",
    "F": 8,
    "mode": "measured",
    "metrics": ["psnr"],
    "candidates": {
        "b": {"values": {"psnr": 1.0}, "mean_rank": 2.0},
        "a": {"values": {"psnr": 2.0}, "mean_rank": 1.0},
    },
    "top": ["a", "b"],
    "left_out": [],
    "model": "results/x",
}


def test_a_choice_by_name_that_was_written_when_one_metric_decided_is_read():
    found = Selected.model_validate(OLD)
    assert (found.run, found.metrics, found.candidates, found.top) == (OLD["run"], (), {}, ())


def test_what_is_written_is_read_again():
    assert Selected.model_validate(json.loads(Selected.model_validate(NEW).model_dump_json())).run == "a"


@pytest.mark.parametrize(
    "changed",
    [
        {"metric": "psnr"},  # as it was written when one metric decided, of measurements
        {"metrics": []},
        {"metrics": ["psnr", "lpips"]},
        {"metrics": ["speed"]},
        {"run": "b"},
        {"top": ["b", "a"]},
        {"top": ["a"]},
        {"top": ["a", "a"]},
        {"top": ["a", "c"]},
        {"candidates": {}},
    ],
)
def test_what_does_not_fit_together_is_refused(changed):
    with pytest.raises(ValidationError):
        Selected.model_validate(NEW | changed)


def test_a_measurement_of_another_tokenizer_is_refused(wider, results):
    job = whole_plan(wider).job("select", "f16")
    results(job)
    one, other = (job.inputs[f"metrics-f16-d16-S{S}-K64"].path for S in (4, 8))
    shutil.copy(Path(one, "metrics.json"), Path(other, "metrics.json"))
    with pytest.raises(DataError, match=rf"^{other}/metrics.json: is the result of name 'f16-d16-S4-K64'"):
        run(wider, job, out=Path("out"))


def test_the_weights_of_another_tokenizer_are_refused(wider, results):
    job = whole_plan(wider).job("select", "f16")
    results(job, f16_d16_S8_K64=12.5)
    one, other = (job.inputs[f"model-f16-d16-S{S}-K64"].path for S in (4, 8))
    shutil.rmtree(other)
    shutil.copytree(one, other)
    with pytest.raises(DataError, match=rf"^{other}/provenance.json: is the result of name 'f16-d16-S4-K64'"):
        run(wider, job, out=Path("out"))
    assert not Path("out").exists()
