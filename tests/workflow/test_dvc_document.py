"""docs/dvc.md: each command that stands in it by itself, in its order, on a checkout run up to the tokenizers."""

import re
from pathlib import Path

import pytest

pytestmark = pytest.mark.thorough

DOCUMENT = Path(__file__).parents[2] / "docs/dvc.md"
ELSEWHERE = {
    "dvc repro": "the CI script runs it after the whole workflow",
    "dvc pull": "complains while chapters were never made; by name it is run below",
    "dvc remote add --default lab s3://bucket/pqgan": "test_dvc.py has a server of S3",
    "dvc remote modify lab endpointurl https://...": "likewise",
    "export PQGAN_SHARED_DIR=/scratch/pqgan-shared": "test_dvc.py shares between two clones",
    "dvc metrics show": "test_dvc.py has tables to show",
    "dvc metrics diff HEAD~1": "likewise",
    "dvc plots show": "likewise",
}
"""Commands that are not run here, and why."""


def commands() -> list[str]:
    lines = [line[4:] for line in DOCUMENT.read_text().splitlines() if line.startswith("    ")]
    return [part for line in lines for part in re.split(r"\s{2,}#.*|; ", line) if part]


def test_every_command_of_the_document(finished, tmp_path):
    clone = finished.clone(tmp_path / "clone")
    clone.run("dvc", "remote", "remove", "folder")
    clone.run("dvc", "cache", "dir", "--local", str(finished.folder / ".dvc/cache"))
    clone.restore()
    found = commands()
    assert set(ELSEWHERE) <= set(found), "a command that is explained is no longer in the document"
    weights = clone.weights.parent
    here = {
        "/mnt/lab/pqgan": str(tmp_path / "remote"),
        # without a cluster; tests/cluster has one
        " --profile slurm": "",
        "results/smoke/tokenizer/f8-d16-S8-K64-1a2b3c4d": str(weights.relative_to(clone.folder)),
        "git commit": "git commit --quiet --allow-empty --message a",
        "dvc push": "dvc push -q",
    }
    remote = f"dvc remote add --default lab {tmp_path}/remote"
    clone.run("sh", "-c", remote)  # to push to, which the document does before it says where
    clone.run("dvc", "remote", "remove", "lab")
    said = {}
    for command in found:
        if command in ELSEWHERE:
            continue
        for text, instead in here.items():
            command = command.replace(text, instead)
        if command == "dvc push -q" and not (tmp_path / "remote").exists():
            clone.run("sh", "-c", remote)
        elif command == remote:
            clone.run("dvc", "remote", "remove", "lab")
        said[command] = clone.run("sh", "-c", command)
    assert "as it was written" in said["pqgan verify"]
    assert weights.is_dir()
    assert "slow" in said["dvc exp show --only-changed"]
    assert len(said) == len(set(found) - set(ELSEWHERE))
