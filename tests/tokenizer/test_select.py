"""Selection: the best measured candidate, or the one the reading names."""

import json
from pathlib import Path

import pytest

from pqgan.errors import DataError
from pqgan.plan import Plan
from pqgan.records import Measurement, Record, write_record
from pqgan.settings import load
from pqgan.tokenizer.select import run


@pytest.fixture
def results(tmp_path, monkeypatch):
    """Make the inputs of a selection below the working directory; psnr by name, 10 where not given."""
    monkeypatch.chdir(tmp_path)

    def make(job, metric="psnr", **values):
        for role, other in job.inputs.items():
            kind, _, name = role.partition("-")
            folder = Path(other.path)
            folder.mkdir(parents=True)
            if kind == "model":
                (folder / "config.json").write_text(name)
                (folder / "provenance.json").write_text("{}")
            else:
                value = values.get(name.replace("-", "_"), 10.0)
                measured = [Measurement(metric=metric, value=value, n=4, protocol="test", on="val")]
                about = {"kind": "reconstruction", "name": name, "scale": "smoke", "subject": {}}
                how = {"device": "CPU", "dtype": "fp32", "seconds": 1.0, "provenance": {}}
                record = Record(**about, **how, measurements=measured)
                write_record(folder, record)

    return make


def test_the_largest_psnr_is_selected_and_copied_whole(smoke, results):
    job = Plan(smoke).job("select", "f16")
    results(job, f16_d16_S8_K64=12.5, f16_d16_S1_K64=11.0)
    run(smoke, job, out=Path("out"))
    about = json.loads(Path("out/selected.json").read_text())
    assert (about["run"], about["F"], about["mode"], about["metric"]) == ("f16-d16-S8-K64", 16, "measured", "psnr")
    assert about["candidates"] == {"f16-d16-S1-K64": 11.0, "f16-d16-S8-K64": 12.5, "f16-d32-S16-K64": 10.0}
    assert Path("out/config.json").read_text() == "f16-d16-S8-K64"
    assert json.loads(Path("out/provenance.json").read_text())["job"]["chapter"] == "select"


def test_the_smallest_rfid_is_selected(changed_params, results):
    settings = load(changed_params("scales.smoke.selection.metric", "rfid"), "smoke")
    job = Plan(settings).job("select", "f16")
    results(job, metric="rfid", f16_d16_S8_K64=3.0, f16_d16_S1_K64=2.0)
    run(settings, job, out=Path("out"))
    assert json.loads(Path("out/selected.json").read_text())["run"] == "f16-d16-S1-K64"


def test_a_named_selection_copies_the_named_one(changed_params, results):
    path = changed_params("scales.smoke.selection.mode", "named")
    raw = path.read_text()
    path.write_text(raw.replace("f8-d128-S64-K512", "f8-d32-S16-K64").replace("f16-d128-S64-K128", "f16-d32-S16-K64"))
    settings = load(path, "smoke")
    job = Plan(settings).job("select", "f8")
    results(job)
    run(settings, job, out=Path("out"))
    about = json.loads(Path("out/selected.json").read_text())
    assert (about["run"], about["mode"], about["candidates"]) == ("f8-d32-S16-K64", "named", {})


def test_a_candidate_without_the_metric_is_named_and_nothing_is_published(smoke, results):
    job = Plan(smoke).job("select", "f16")
    results(job, metric="lpips")
    with pytest.raises(DataError, match=r"metrics\.json: no headline 'psnr' on val"):
        run(smoke, job, out=Path("out"))
    assert not Path("out").exists()
