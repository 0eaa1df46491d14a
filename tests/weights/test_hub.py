"""Files of a hub on this machine, asked for in processes of their own: its address is read once, at the start."""

import hashlib
import json
import os
import shutil
import subprocess
import sys

import pytest

COMMIT = "0123456789abcdef0123456789abcdef01234567"
LATER = COMMIT[::-1]

PROGRAM = """
import json, sys
from pqgan.weights import locate
from pqgan.errors import PqganError
origin = locate.Hub("someone/net", sys.argv[1], "sub/net.safetensors")
try:
    print(json.dumps(locate.source(locate.Weights(origin, sha256=sys.argv[2] or None)).model_dump()))
except PqganError as error:
    print(type(error).__name__, error)
"""

DIGEST = hashlib.sha256(b"tensors").hexdigest()
OTHER = hashlib.sha256(b"other tensors").hexdigest()


@pytest.fixture
def ask(server, tmp_path):
    """Ask for the source of a file, whose sha256 is pinned or not, at a commit or of a branch."""

    def run(pinned="", revision=COMMIT, **environment):
        own = {
            "HF_ENDPOINT": server.address,
            "HF_HOME": str(tmp_path / "hf"),
            "XDG_CACHE_HOME": str(tmp_path / "cache"),
        }
        without = {name: value for name, value in os.environ.items() if name != "PQGAN_WEIGHTS_DIR"}
        command = [sys.executable, "-c", PROGRAM, revision, pinned]
        result = subprocess.run(
            command, env=without | own | environment, capture_output=True, text=True, timeout=120, check=True
        )
        return result.stdout.strip()

    server.content, server.headers = b"tensors", {"X-Repo-Commit": COMMIT, "ETag": f'"{DIGEST}"'}
    return run


def test_unpinned_file_is_verified_against_the_hub_s_own_hash_also_offline(ask, server):
    expected = {
        "origin": f"https://huggingface.co/someone/net/resolve/{COMMIT}/sub/net.safetensors",
        "files": {"net.safetensors": DIGEST},
    }
    assert json.loads(ask()) == expected
    asked = len(server.asked)
    assert json.loads(ask(HF_HUB_OFFLINE="1")) == expected
    assert json.loads(ask()) == expected
    assert len(server.asked) == asked


def test_file_that_is_not_what_the_hub_says_is_refused(ask, server):
    server.headers["ETag"] = f'"{"0" * 64}"'
    for _ in range(2):  # the second time from the hub's cache
        assert f"sha256 is {DIGEST}; expected {'0' * 64}" in ask()


def test_file_that_is_not_what_is_pinned_is_refused(ask):
    assert f"sha256 is {DIGEST}; expected {'1' * 64}" in ask(pinned="1" * 64)


def test_pinned_file_needs_no_hash_of_the_hub(ask, server):
    server.headers["ETag"] = f'"{"2" * 40}"'
    assert json.loads(ask(pinned=DIGEST))["files"] == {"net.safetensors": DIGEST}


def test_unpinned_file_without_a_hash_is_refused(ask, server):
    server.headers["ETag"] = f'"{"2" * 40}"'
    for _ in range(2):  # the second time from the hub's cache
        found = ask()
        assert found.startswith("Missing 1 network is missing")
        assert "the hub publishes no sha256 for it" in found


@pytest.mark.parametrize("case", ["offline", "404", "no server"])
def test_file_that_is_not_to_be_had_is_one_line(ask, server, case):
    server.errors = [404] * 10 if case == "404" else []
    environment = {"offline": {"HF_HUB_OFFLINE": "1"}, "no server": {"HF_ENDPOINT": "http://127.0.0.1:9"}}
    found = ask(**environment.get(case, {}))
    assert found.startswith("Missing 1 network is missing")
    assert "\n" not in found
    assert {"offline": "HF_HUB_OFFLINE is set", "404": "404", "no server": "refused"}[case] in found


def holds(server, content, commit):
    """From now on the hub's branch is at a commit, with a file of some content."""
    digest = hashlib.sha256(content).hexdigest()
    server.content, server.headers = content, {"X-Repo-Commit": commit, "ETag": f'"{digest}"'}


@pytest.fixture
def record(tmp_path):
    return tmp_path / "cache" / "pqgan" / "recorded" / "net" / "sub" / "net.safetensors.json"


def test_a_branch_is_recorded_with_its_commit_and_kept_to(ask, server, record, tmp_path):
    expected = {
        "origin": f"https://huggingface.co/someone/net/resolve/{COMMIT}/sub/net.safetensors",
        "files": {"net.safetensors": DIGEST},
    }
    assert json.loads(ask(revision="main")) == expected
    seen = json.loads(record.read_text())
    assert {key: seen[key] for key in ("origin", "revision", "sha256")} == {
        "origin": expected["origin"],
        "revision": COMMIT,
        "sha256": DIGEST,
    }
    holds(server, b"other tensors", LATER)
    asked = len(server.asked)
    for environment in ({}, {"HF_HUB_OFFLINE": "1"}):
        assert json.loads(ask(revision="main", **environment)) == expected
    assert len(server.asked) == asked


def test_another_file_of_the_hub_is_refused_until_the_record_is_deleted(ask, server, record, tmp_path):
    ask(revision="main")
    holds(server, b"other tensors", LATER)
    shutil.rmtree(tmp_path / "hf")
    found = ask(revision="main")
    assert found.startswith("DataError https://huggingface.co/someone/net/resolve/main/sub/net.safetensors: ")
    assert f"sha256 is {OTHER} at commit {LATER}; expected {DIGEST} at commit {COMMIT}, seen first on 20" in found
    assert f"or delete {record} to take this one from now on" in found
    assert "\n" not in found
    assert not list((tmp_path / "hf").rglob("net.safetensors"))
    record.unlink()
    assert json.loads(ask(revision="main")) == {
        "origin": f"https://huggingface.co/someone/net/resolve/{LATER}/sub/net.safetensors",
        "files": {"net.safetensors": OTHER},
    }


def test_a_later_commit_with_the_same_file_is_no_other_file(ask, server, tmp_path):
    first = ask(revision="main")
    holds(server, b"tensors", LATER)
    shutil.rmtree(tmp_path / "hf")
    assert ask(revision="main") == first
    assert json.loads(first)["origin"].split("/")[-3] == COMMIT
    assert (tmp_path / "hf/hub/models--someone--net/snapshots" / LATER / "sub/net.safetensors").exists()


def test_a_file_that_somebody_downloaded_is_recorded_with_the_commit_of_its_branch(ask, server, record, tmp_path):
    ask(revision="main")
    record.unlink()
    refs = tmp_path / "hf/hub/models--someone--net/refs"
    refs.mkdir(exist_ok=True)
    (refs / "main").write_text(COMMIT)
    assert COMMIT in json.loads(ask(revision="main", HF_HUB_OFFLINE="1"))["origin"]
    assert json.loads(record.read_text())["revision"] == COMMIT


def test_a_copy_of_one_s_own_must_be_the_file_that_the_hub_gave(ask, record, tmp_path):
    first = ask(revision="main")
    own = tmp_path / "own/net/sub/net.safetensors"
    own.parent.mkdir(parents=True)
    own.write_bytes(b"tensors")
    assert ask(revision="main", PQGAN_WEIGHTS_DIR=str(tmp_path / "own")) == first
    own.write_bytes(b"other tensors")
    found = ask(revision="main", PQGAN_WEIGHTS_DIR=str(tmp_path / "own"))
    assert found.startswith(f"DataError {own}: sha256 is {OTHER}; expected {DIGEST} at commit {COMMIT}, seen first on")


def test_a_damaged_record_is_one_line(ask, record):
    record.parent.mkdir(parents=True)
    record.write_text('{"sha256": 1')
    found = ask(revision="main")
    assert found.startswith(f"DataError {record}: ")
    assert "which file was seen first; delete it to take what is there now" in found
    assert "\n" not in found
