"""What "the same result" means."""

import hashlib
import json
from pathlib import Path
from typing import Any

from pqgan.storage.manifest import sha256


def read_log(folder: Path) -> list[dict]:
    return [json.loads(line) for line in (folder / "train.jsonl").read_text().splitlines()]


def summary(result: Path) -> dict[str, Any]:
    """All that two equal trainings have in common: the hash of their last state, their log, their published files."""
    training = json.loads((result / "provenance.json").read_text())["training"]
    log = [
        {key: value for key, value in line.items() if key not in ("seconds", "images_per_second")}
        for line in read_log(result)
    ]
    files = [file for file in sorted(result.rglob("*")) if file.suffix == ".safetensors" or file.name == "config.json"]
    return {
        "state": training["state_sha256"],
        "steps": training["steps"],
        "log": log,
        "files": {str(file.relative_to(result)): sha256(file) for file in files},
    }


def assert_same(result: Path, other: Path) -> None:
    """Assert that two trainings ended in the same state, bit by bit, on the same way."""
    mine, others = summary(result), summary(other)
    assert mine["log"], f"{result}: nothing to compare"
    different = {part: (mine[part], others[part]) for part in mine if mine[part] != others[part]}
    assert not different, f"not the same {', '.join(different)}: {different}"


def snapshot(folder: Path) -> dict[str, str]:
    """sha256 of every file below a folder."""
    return {
        str(file.relative_to(folder)): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in sorted(folder.rglob("*"))
        if file.is_file()
    }
