"""Uploaded by the command and loaded by diffusers, both with the hub's own client, over HTTP on this machine."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hub_server import hub_server

from pqgan.storage.manifest import damages

ROOT = Path(__file__).parents[2]


def run(command: list[str], address: str, home: Path, **own: str) -> subprocess.CompletedProcess:
    given = {"HF_ENDPOINT": address, "HF_HUB_OFFLINE": "0", "HF_HOME": str(home), "HF_TOKEN": "hf_none"}
    given |= {"HF_HUB_DISABLE_XET": "1", "DIFFUSERS_VERBOSITY": "error", "PYTHONPATH": str(ROOT), **own}
    return subprocess.run(
        [sys.executable, "-W", "ignore", *command],
        capture_output=True,
        text=True,
        env={**os.environ, **given},
        timeout=300,
    )


@pytest.mark.thorough
def test_what_was_uploaded_loads_by_its_hub_id(tiny_pq, tmp_path):
    hub = tmp_path / "hub"
    hub.mkdir()
    export = ["-m", "pqgan.cli", "export", "--model", str(tiny_pq), "--out", str(tmp_path / "out"), "--licence", "mit"]
    with hub_server(hub) as (address, seen):
        for _ in range(2):  # the second time there is an earlier export
            done = run([*export, "--hub", "me/tiny"], address, tmp_path / "home")
            assert done.returncode == 0, done.stderr
            assert done.stdout.splitlines()[-1].startswith(f"{address}/me/tiny/commit/")
        assert [line for line in seen if line.startswith("made")] == ["made me/tiny, private"]
        assert damages(hub / "me/tiny") == []
        names = {path.name for path in (tmp_path / "out").iterdir()}
        assert {path.name for path in (hub / "me/tiny").iterdir()} == names | {".gitattributes"}
        for before, trusted in (("", ", trust_remote_code=True"), ("import pqgan\n", "")):
            code = f"{before}from diffusers import AutoModel\nmodel = AutoModel.from_pretrained('me/tiny'{trusted})\n"
            done = run(["-c", f"{code}print(type(model).__module__)"], address, tmp_path / f"home{len(before)}")
            assert done.stdout == "pqgan.tokenizer.model\n", done.stderr
        # no code came along where none was to be trusted
        assert not list((tmp_path / "home13").rglob("modeling_pq.py"))
        (hub / "you/other").mkdir(parents=True)
        (hub / "you/other/config.json").write_text("{}")
        done = run([*export, "--hub", "you/other"], address, tmp_path / "home")
        assert done.returncode == 2
        assert done.stderr == (
            "pqgan export: --hub: you/other holds config.json, which no pqgan export wrote; only earlier exports are "
            "replaced; choose another name\n"
        )
