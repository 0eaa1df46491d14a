"""Provenance says what a result was made from, and loads nothing heavy to say it."""

import json
import subprocess
import sys

from pqgan import __version__
from pqgan.plan import Plan
from pqgan.provenance import provenance, write_provenance


def test_it_names_job_settings_inputs_code_and_machine(smoke):
    job = Plan(smoke).job("select", "f8")
    said = provenance(job)
    assert said["job"] == {"chapter": "select", "name": "f8", "scale": "smoke", "digest": job.digest}
    assert said["settings"] == dict(job.spec)
    assert said["inputs"]["model-f8-d16-S8-K64"] == Plan(smoke).job("tokenizer", "f8-d16-S8-K64").path
    assert said["packages"]["pqgan"] == __version__
    assert said["packages"]["python"].startswith("3.")
    assert said["peak_memory_bytes"] > 1e6
    assert said["seconds"] >= 0
    assert "cpu" in said["device"] or " x " in said["device"]


def test_more_entries_are_written_beside(smoke, tmp_path):
    job = Plan(smoke).job("select", "f8")
    training = {"steps": 10, "seconds": 1.5, "state_sha256": "a" * 64}
    write_provenance(tmp_path, job, training=training)
    said = json.loads((tmp_path / "provenance.json").read_text())
    assert said["training"] == training
    assert said["job"]["digest"] == job.digest
    assert "training" not in provenance(job)


def test_it_does_not_import_torch():
    code = "import sys, pqgan.provenance as p; p._device(); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
