"""A result is what it says: chapter, name, scale, digest and kind against the address that it lies at."""

import json
import shutil
from pathlib import Path

import pytest
from whole_plan import whole_plan

from pqgan.cli import main
from pqgan.errors import DataError
from pqgan.provenance import provenance, write_provenance
from pqgan.records import Measurement, Record, origin_of, write_record
from pqgan.storage.outputs import new_result

NAME = "f8-d16-S8-K64"


@pytest.fixture
def plan(smoke):
    return whole_plan(smoke)


def record(job, **changes) -> Record:
    about = {
        "kind": "reconstruction",
        "name": job.name,
        "scale": job.scale,
        "subject": {"kind": "pq", "F": 8, "d": 16, "S": 8, "K": 64},
        "measurements": [Measurement(metric="psnr", value=20.0, n=4, protocol="mean", on="val")],
        "device": "CPU",
        "dtype": "fp32",
        "seconds": 1.0,
        "provenance": provenance(job),
    }
    return Record(**about | changes)


OTHERS = {"chapter": "finetune", "name": "f8-d16-S1-K64", "scale": "paper", "digest": "0" * 8}


@pytest.mark.parametrize("key", OTHERS)
@pytest.mark.parametrize("chapter", ["evaluate", "tokenizer"])
def test_what_says_that_it_is_another_result_is_refused(plan, tmp_path, chapter, key):
    job = plan.job(chapter, NAME)
    said = provenance(job)
    said["job"][key] = OTHERS[key]
    if chapter == "evaluate":
        write_record(tmp_path, record(job, provenance=said))
    else:
        (tmp_path / "provenance.json").write_text(json.dumps(said))
    with pytest.raises(DataError, match=f"is the result of {key} '{OTHERS[key]}'; its folder is that of"):
        origin_of(tmp_path, job)
    if key == "digest":
        assert origin_of(tmp_path, job, any_digest=True).job.digest == OTHERS[key]
    else:
        with pytest.raises(DataError, match=f"is the result of {key}"):
            origin_of(tmp_path, job, any_digest=True)


def test_a_shared_result_may_be_of_a_scale_of_another_name(plan, tmp_path):
    """PQGAN_SHARED_DIR hands sets and references on by their digests, which no scale's name is part of."""
    for chapter in ("data", "reference"):
        job = plan.job(chapter, "val")
        said = provenance(job)
        said["job"]["scale"] = "elsewhere"
        (tmp_path / "provenance.json").write_text(json.dumps(said))
        assert origin_of(tmp_path, job).job.scale == "elsewhere"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"kind": "generation"}, "has the kind 'generation'; its folder is that of 'reconstruction'"),
        ({"name": "another"}, "has the name 'another'; its folder is that of 'f8-d16-S8-K64'"),
        ({"scale": None}, "has the scale None; its folder is that of 'smoke'"),
        ({"provenance": {}}, "provenance: git: Field required"),
        ({"subject": {}}, "what was measured: kind: Field required"),
        ({"subject": {"kind": "pq", "F": "8", "d": 16, "S": 8, "K": 64}}, "F: Input should be a valid integer"),
        ({"subject": {"kind": "pq", "F": 8, "d": 16}}, "no S or K"),
    ],
)
def test_a_record_that_is_not_its_address_is_refused(plan, tmp_path, changes, message):
    job = plan.job("evaluate", NAME)
    write_record(tmp_path, record(job))
    assert origin_of(tmp_path, job).job.name == NAME
    write_record(tmp_path, record(job, **changes))
    with pytest.raises(DataError, match=message) as caught:
        origin_of(tmp_path, job)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("finished", "yesterday"),
        ("finished", "2025-01-02T03:04:05"),
        ("finished", "0001-01-01T00:00:00+14:00"),
        ("seconds", float("nan")),
        ("seconds", -1),
        ("packages", []),
        ("git", {"revision": 3}),
        ("job", {"name": "../../x"}),
    ],
)
def test_a_provenance_that_says_no_origin_is_one_line(plan, tmp_path, key, value):
    job = plan.job("tokenizer", NAME)
    (tmp_path / "provenance.json").write_text(json.dumps(provenance(job) | {key: value}))
    with pytest.raises(DataError, match=rf"provenance\.json: provenance: {key}.*; delete the folder") as caught:
        origin_of(tmp_path, job)
    assert "\n" not in str(caught.value)


def test_a_command_that_is_given_another_result_at_an_address_refuses_it(
    plan, params_path, tmp_path, monkeypatch, capsys
):
    """Before anything is read of it; a folder that is no address of the plan is taken as it is given."""
    monkeypatch.chdir(tmp_path)
    job = plan.job("reference", "val")
    data, other = job.inputs["data"], plan.job("data", "train")
    Path(data.path).mkdir(parents=True)
    write_provenance(Path(data.path), other)
    shutil.copytree(data.path, "elsewhere")

    def reference(folder):
        code = main(
            [
                "reference",
                "val",
                "--data",
                str(folder),
                "--out",
                "out",
                "--params",
                str(params_path),
                "--scale",
                "smoke",
            ]
        )
        return code, capsys.readouterr().err

    code, said = reference(data.path)
    assert (code, said.count("\n")) == (3, 1)
    assert f"{data.path}/provenance.json: is the result of name 'train'; its folder is that of 'val'" in said
    code, said = reference("elsewhere")
    assert code == 3
    assert "elsewhere/manifest.json: no such file" in said


def test_what_was_made_where_git_says_nothing_is_read_back(plan, tmp_path, monkeypatch):
    monkeypatch.setattr("pqgan.provenance._git", lambda *_: None)
    job = plan.job("tokenizer", NAME)
    write_provenance(tmp_path, job)
    assert origin_of(tmp_path, job).git.model_dump() == {"revision": None, "modified": None}


def test_a_provenance_that_was_changed_is_not_believed(plan, tmp_path):
    job = plan.job("tokenizer", NAME)
    with new_result(tmp_path / "made", job.chapter) as folder:
        write_provenance(folder, job)
    file = tmp_path / "made/provenance.json"
    assert origin_of(tmp_path / "made", job).job.name == NAME
    file.write_text(json.dumps(json.loads(file.read_text()) | {"seconds": 1}))
    with pytest.raises(DataError, match=r"provenance\.json: sha256 is .*; SHA256SUMS lists"):
        origin_of(tmp_path / "made", job)
