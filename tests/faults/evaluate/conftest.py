"""`pqgan evaluate` in an empty folder."""

from pathlib import Path

import pytest
import torch

from pqgan.cli import main


@pytest.fixture
def model(tiny_pq) -> Path:
    """F=2."""
    return tiny_pq


@pytest.fixture
def folder(tmp_path) -> Path:
    path = tmp_path / "photos"
    path.mkdir()
    return path


@pytest.fixture
def run(tmp_path, monkeypatch, model, folder):
    """Run it in an empty folder, without a network; the exit code."""
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    torch.set_num_threads(1)

    def evaluate(*more, **given) -> int:
        given = {"model": model, "images": folder, "size": 16, "features": "random", **given}
        options = (part for key, value in given.items() if value is not None for part in (f"--{key}", value))
        return main(["evaluate", *map(str, (*options, *more))])

    return evaluate


@pytest.fixture
def refused(run, capsys):
    """Run it; the one line of its error, after a look that nothing is left."""

    def evaluate(code: int, *more, prints: str = "", **given) -> str:
        before = set(Path().rglob("*"))
        assert run(*more, **given) == code
        said = capsys.readouterr()
        assert prints in said.out if prints else said.out == ""
        assert said.err.count("\n") == 1, said.err
        assert said.err.startswith("pqgan evaluate: ")
        assert set(Path().rglob("*")) == before
        return said.err

    return evaluate
