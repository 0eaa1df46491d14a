"""`pqgan bench matching` and `pqgan bench generators`: one command from nothing to numbers, table and picture."""

import json
import tomllib

import pytest
from whole_plan import whole_plan

from pqgan.bench.full_size import changed
from pqgan.cli import main
from pqgan.records import read_record
from pqgan.settings import load
from pqgan.settings.evaluation import SearchCase

TINY = {
    "F": 8,
    "resolution": 32,
    "batches": [1],
    "precision": "32-true",
    "repeats": 1,
    "configs": [{"F": 8, "d": 16, "S": 4, "K": 64}],
    "search": {"positions": 20, "repeats": 1, "cases": [{"d": 8, "S": 2, "K": 16}]},
}


@pytest.fixture
def tiny(changed_params, tmp_path, monkeypatch):
    changed_params("scales.smoke.matching", TINY)
    monkeypatch.chdir(tmp_path)
    return load("params.yaml", "smoke")


def test_without_arguments_it_measures_prints_and_draws(tiny, tmp_path, capsys):
    assert main(["bench", "matching"]) == 0
    out = tmp_path / whole_plan(tiny).job("matching", "matching").path
    drawn = {f"{figure}.{suffix}" for figure in ("figure5", "figure_peers") for suffix in ("pdf", "png")}
    assert {path.name for path in out.iterdir()} == {"metrics.json", "table.txt", "SHA256SUMS"} | drawn
    printed = capsys.readouterr().out
    assert printed.startswith((out / "table.txt").read_text())
    assert printed.splitlines()[-1].endswith("table.txt")
    assert (out / "figure5.pdf").read_bytes().startswith(b"%PDF")
    record = read_record(out)
    assert {item.conditions["d"] for item in record.measurements} == {8, 16}
    assert record.provenance["peak_memory_bytes"] > 1 << 27


def test_the_libraries_beside_ours_are_optional_and_locked(params_path):
    root = params_path.parent
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    locked = {line.partition("==")[0].lower() for line in (root / "requirements.lock").read_text().splitlines()}
    for package in ("faiss-cpu", "vector-quantize-pytorch"):
        assert package in project["optional-dependencies"]["bench"]
        assert package not in project["dependencies"]
        assert package in locked


def test_other_searches_have_another_address(tiny, tmp_path, capsys):
    arguments = ["--case", "8,2,32", "--case", "4,1,16", "--positions", "10", "--no-reconstructions", "--no-figure"]
    assert main(["bench", "matching", *arguments]) == 0
    (out,) = (tmp_path / "results/smoke/matching").iterdir()
    assert out.name != whole_plan(tiny).job("matching", "matching").id
    assert {path.name for path in out.iterdir()} == {"metrics.json", "table.txt", "SHA256SUMS"}
    record = read_record(out)
    assert {(item.conditions["d"], item.conditions["K"]) for item in record.measurements} == {(8, 32), (4, 16)}
    assert {item.conditions["positions"] for item in record.measurements} == {10}
    assert record.provenance["settings"]["MatchingBench"]["search"]["cases"][1] == {"d": 4, "S": 1, "K": 16}


def test_of_searches_alone_one_figure_is_drawn(tiny, tmp_path):
    assert main(["bench", "matching", "--no-reconstructions"]) == 0
    (out,) = (tmp_path / "results/smoke/matching").iterdir()
    assert {path.name for path in out.glob("figure*")} == {"figure_peers.pdf", "figure_peers.png"}


def test_threads_are_no_part_of_the_address(tiny):
    job, other = (whole_plan(settings).job("matching", "matching") for settings in (tiny, changed(tiny, threads=7)))
    assert changed(tiny, threads=7).scale.hardware.cpus == 7
    assert job.path == other.path


def test_only_what_is_named_changes(tiny):
    assert changed(tiny) == tiny
    found = changed(tiny, cases=[SearchCase(d=4, S=2, K=8)], reconstructions=False).scale.matching
    assert found.configs == ()
    assert found.search.positions == 20
    assert found.search.cases == (SearchCase(d=4, S=2, K=8),)


@pytest.mark.parametrize("case", ["8,3,16", "8,2", "8,2,1", "a,b,c", "8;2;16"])
def test_a_case_that_cannot_be_is_refused(case, capsys):
    with pytest.raises(SystemExit) as caught:
        main(["bench", "matching", "--case", case])
    assert caught.value.code == 2
    error = capsys.readouterr().err
    assert f"got {case!r}; expected d,S,K where S divides d" in error


def test_an_address_of_other_settings_is_refused(tiny, capsys):
    assert main(["bench", "matching", "--out", "results/smoke/matching/matching-00000000"]) == 2
    assert "belongs in results/smoke/matching/matching-" in capsys.readouterr().err


def test_generators_are_measured_and_laid_out_as_table_3(params_path, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(params_path.parent)
    out = tmp_path / "generators"
    assert main(["bench", "generators", "PQSD-Quick", "--scale", "smoke", "--out", str(out)]) == 0
    record = read_record(out / "PQSD-Quick")
    speed = record.get("images_per_second").value
    assert speed > 0
    rows = json.loads((out / "table3.json").read_text())["rows"]
    assert [row["cells"]["images_per_second"]["value"] for row in rows if row["source"] == "measured"] == [speed]
    assert "Weights are seeded, not trained" in (out / "table3.tex").read_text()
    assert capsys.readouterr().out.startswith("PQSD-Quick: 96 px, F=16, d=64, U-Net 827,584 parameters; ")


def test_an_unknown_generator_is_refused(params_path, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(params_path.parent)
    assert main(["bench", "generators", "SDXL", "--scale", "smoke", "--out", str(tmp_path / "out")]) == 2
    assert "SDXL" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
