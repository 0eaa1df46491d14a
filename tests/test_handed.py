"""A result at its planned address is made of the planned results, and says so where it is made of others."""

import json

import pytest
from whole_plan import pretend_selected, whole_plan

from pqgan import cli
from pqgan.errors import SettingsError
from pqgan.handed import said_by, with_inputs
from pqgan.provenance import provenance
from pqgan.storage.outputs import new_result


@pytest.fixture
def job(smoke):
    return whole_plan(smoke).job("samples", "PQSD-Quick")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder that says which job made it."""
    monkeypatch.chdir(tmp_path)

    def make(name, job):
        place = tmp_path / name
        place.mkdir(parents=True)
        (place / "provenance.json").write_text(json.dumps({"job": job.identity}))
        return place

    return make


def test_planned_inputs_are_taken_wherever_they_lie(job, folder, tmp_path):
    given = {role: folder(role, other) for role, other in job.inputs.items()}
    same = with_inputs(job, given, tmp_path / job.path)
    assert same.handed == {}
    assert provenance(same)["job"]["digest"] == job.digest


def test_a_part_of_the_backbone_is_the_backbones(smoke, folder):
    backbone = whole_plan(smoke).job("backbone", "backbone")
    place = folder("backbone", backbone)
    (place / "vae").mkdir()
    assert said_by(place / "vae") == backbone.identity


@pytest.mark.parametrize(
    "change", [{"digest": "0" * 8}, {"name": "f8"}, {"chapter": "select"}, {"scale": "paper"}, None]
)
def test_another_input_is_refused_at_the_planned_address_and_recorded_elsewhere(job, folder, tmp_path, change):
    given = {role: folder(role, other) for role, other in job.inputs.items()}
    file = given["tokenizer"] / "provenance.json"
    if change is None:
        file.unlink()
    else:
        file.write_text(json.dumps({"job": job.inputs["tokenizer"].identity | change}))
    with pytest.raises(SettingsError, match=r"tokenizer: got .*; results/.* is made from results/.*; give that"):
        with_inputs(job, given, tmp_path / job.path)
    elsewhere = with_inputs(job, given, tmp_path / "elsewhere")
    said = provenance(elsewhere)
    assert said["inputs"]["tokenizer"] == str(given["tokenizer"])
    assert said["inputs"]["unet"] == job.inputs["unet"].path
    assert said["job"]["digest"] is None
    assert elsewhere.settings_digest == job.settings_digest


def test_the_command_line_refuses_it_before_the_work(smoke, job, folder, tmp_path, params_path, monkeypatch, capsys):
    roles = {role: folder(role, job.inputs["unet"] if role == "tokenizer" else job.inputs[role]) for role in job.inputs}
    monkeypatch.chdir(tmp_path)
    pretend_selected(smoke, tmp_path)
    monkeypatch.setattr("pqgan.diffusion.sample.run", None)
    words = [word for role, place in roles.items() for word in (f"--{role}", str(place))]
    arguments = ["sample", job.name, "--params", str(params_path), "--scale", "smoke", *words]
    assert cli.main([*arguments, "--out", job.path]) == 2
    assert "tokenizer: got" in capsys.readouterr().err


def test_what_is_made_of_others_is_shared_with_nobody(smoke, folder, tmp_path, params_path, monkeypatch):
    monkeypatch.setenv("PQGAN_SHARED_DIR", str(tmp_path / "shared"))
    other = folder("set", whole_plan(smoke).job("data", "val"))

    def work(settings, job, *, data, out):
        with new_result(out, job.chapter) as made:
            (made / "file").touch()

    monkeypatch.setattr("pqgan.evaluate.original_features.run", work)
    words = ["reference", "val_large", "--params", str(params_path), "--scale", "smoke", "--data", str(other)]
    assert cli.main([*words, "--out", "mine"]) == 0
    assert not (tmp_path / "shared").exists()


def test_what_is_made_of_the_planned_is_shared_and_taken(smoke, folder, tmp_path, params_path, monkeypatch):
    monkeypatch.setenv("PQGAN_SHARED_DIR", str(tmp_path / "shared"))
    planned = folder("set", whole_plan(smoke).job("reference", "val").inputs["data"])
    calls = []

    def work(settings, job, *, data, out):
        calls.append(out)
        with new_result(out, job.chapter) as made:
            (made / "file").touch()

    monkeypatch.setattr("pqgan.evaluate.original_features.run", work)
    words = ["reference", "val", "--params", str(params_path), "--scale", "smoke", "--data", str(planned)]
    for out in ("first", "second"):
        assert cli.main([*words, "--out", out]) == 0
        assert (tmp_path / out / "file").exists()
    assert [out.name for out in calls] == ["first"]


def test_a_set_of_an_evaluation_is_the_planned_one_by_its_role(smoke, folder, tmp_path, params_path, monkeypatch):
    job = whole_plan(smoke).job("evaluate", "f8-d16-S8-K64")
    given = {"model": folder("model", job.inputs["model"]), "val": folder("val", job.inputs["set-val"])}
    other = folder("reference", job.inputs["model"])
    handed = []
    monkeypatch.setattr("pqgan.evaluate.reconstruction.run", lambda settings, job, **_: handed.append(job.handed))
    words = ["evaluate-tokenizer", job.name, "--params", str(params_path), "--scale", "smoke"]
    words += ["--model", str(given["model"]), "--sets", f"val={given['val']}", "--references", f"val={other}"]
    assert cli.main([*words, "--out", "out"]) == 0
    assert handed == [{"reference-val": str(other)}]


def test_a_set_that_an_evaluation_reads_is_not_replaced(smoke, folder, tmp_path, params_path, monkeypatch, capsys):
    job = whole_plan(smoke).job("evaluate", "f8-d16-S8-K64")
    places = {role: folder(role, job.inputs[role]) for role in ("model", "set-val", "reference-val")}
    monkeypatch.setattr("pqgan.evaluate.reconstruction.run", None)
    words = ["evaluate-tokenizer", job.name, "--params", str(params_path), "--scale", "smoke"]
    words += ["--model", str(places["model"]), "--sets", f"val={places['set-val']}"]
    words += ["--references", f"val={places['reference-val']}", "--out", str(places["set-val"] / "deeper")]
    assert cli.main(words) == 2
    assert "lies in what set-val= names" in capsys.readouterr().err
