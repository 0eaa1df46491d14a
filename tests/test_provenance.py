"""Provenance says what a result was made from, and loads nothing heavy to say it."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from whole_plan import whole_plan

from pqgan import __version__
from pqgan.provenance import environment, provenance, write_provenance


def test_it_names_job_settings_inputs_code_and_machine(smoke):
    job = whole_plan(smoke).job("select", "f8")
    said = provenance(job)
    assert said["job"] == {"chapter": "select", "name": "f8", "scale": "smoke", "digest": job.digest}
    assert said["settings"] == dict(job.spec)
    assert said["inputs"]["model-f8-d16-S8-K64"] == whole_plan(smoke).job("tokenizer", "f8-d16-S8-K64").path
    assert said["packages"]["pqgan"] == __version__
    assert said["packages"]["python"].startswith("3.")
    assert said["peak_memory_bytes"] > 1e6
    assert said["seconds"] >= 0
    assert "cpu" in said["device"] or " x " in said["device"]


def test_more_entries_are_written_beside(smoke, tmp_path):
    job = whole_plan(smoke).job("select", "f8")
    training = {"steps": 10, "seconds": 1.5, "state_sha256": "a" * 64}
    write_provenance(tmp_path, job, training=training)
    said = json.loads((tmp_path / "provenance.json").read_text())
    assert said["training"] == training
    assert said["job"]["digest"] == job.digest
    assert "training" not in provenance(job)


def test_it_does_not_import_torch():
    code = "import sys, pqgan.provenance as p; p._device(); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(
    ("script", "revision"),
    [
        (None, None),
        ("#!/bin/sh\nsleep 60\n", None),
        ("#!/bin/sh\nprintf '\\377\\376abc'\n", "\ufffd\ufffdabc"),
        ("#!/bin/sh\nexit 128\n", None),
        ("not a program", None),
    ],
    ids=["none", "hangs", "bytes", "fails", "broken"],
)
def test_nothing_that_was_measured_is_lost_for_want_of_git(tmp_path, monkeypatch, script, revision):
    if script:
        (tmp_path / "git").write_text(script)
        (tmp_path / "git").chmod(0o755)
    sleep = Path(shutil.which("sleep")).parent
    monkeypatch.setenv("PATH", f"{tmp_path}:{sleep}" if script and "sleep" in script else str(tmp_path))
    monkeypatch.setattr("pqgan.provenance.PATIENCE", 0.5)
    said = environment()["git"]
    assert said == {"revision": revision, "modified": bool(revision) or None}
