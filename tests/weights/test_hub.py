"""Files of a hub on this machine, asked for in processes of their own: its address is read once, at the start."""

import hashlib
import json
import os
import subprocess
import sys

import pytest

COMMIT = "0123456789abcdef0123456789abcdef01234567"

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


@pytest.fixture
def ask(server, tmp_path):
    """Ask for the source of a file, whose sha256 is pinned or not."""

    def run(pinned="", **environment):
        own = {
            "HF_ENDPOINT": server.address,
            "HF_HOME": str(tmp_path / "hf"),
            "XDG_CACHE_HOME": str(tmp_path / "cache"),
        }
        without = {name: value for name, value in os.environ.items() if name != "PQGAN_WEIGHTS_DIR"}
        command = [sys.executable, "-c", PROGRAM, COMMIT, pinned]
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
