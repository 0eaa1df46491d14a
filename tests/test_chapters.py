"""Which function a command calls, and under which name each folder of its command line reaches it."""

import sys
from pathlib import Path
from types import ModuleType

import pytest
from whole_plan import pretend_selected, whole_plan

from pqgan.cli import main

CALLS = {
    "prepare-data train": ("data", "pqgan.data.prepare", "run", []),
    "train-tokenizer f8-d16-S8-K64": ("tokenizer", "pqgan.tokenizer.train", "train", ["data", "run"]),
    "reference val": ("reference", "pqgan.evaluate.original_features", "run", ["data"]),
    "evaluate-tokenizer kl-f8-d4": (
        "evaluate",
        "pqgan.evaluate.reconstruction",
        "run",
        ["model", "sets", "references"],
    ),
    "evaluate-finetuned selected-f8": (
        "evaluate_finetuned",
        "pqgan.evaluate.reconstruction",
        "run",
        ["model", "sets", "references"],
    ),
    "select-tokenizer f16": ("select", "pqgan.tokenizer.select", "run", []),
    "finetune-tokenizer f16": ("finetune", "pqgan.tokenizer.train", "finetune", ["model", "data", "run"]),
    "make-backbone backbone": ("backbone", "pqgan.diffusion.backbone", "run", []),
    "adapt PQSD-HR-stage2": (
        "adapt",
        "pqgan.diffusion.adapt",
        "adapt",
        ["unet", "backbone", "tokenizer", "data", "run"],
    ),
    "sample PQSD-HR": ("samples", "pqgan.diffusion.sample", "run", ["unet", "backbone", "tokenizer"]),
    "train-ldm vae": ("ldm", "pqgan.diffusion.ldm", "train_ldm", ["tokenizer", "data", "run"]),
    "evaluate-generation vae": ("generation", "pqgan.evaluate.generation", "run", ["model", "tokenizer", "reference"]),
    "bench sampling PQSD-HR": ("speed", "pqgan.bench.sampling", "run", ["backbone", "unet", "tokenizer"]),
}
"""Command -> chapter, module, function, and the names of the folders that it is given."""


@pytest.mark.parametrize("command", CALLS)
def test_each_folder_reaches_the_function_under_its_own_name(command, smoke, params_path, tmp_path, monkeypatch):
    chapter, module, function, folders = CALLS[command]
    monkeypatch.chdir(tmp_path)
    pretend_selected(smoke, tmp_path)
    calls, double = [], ModuleType(module)
    setattr(double, function, lambda settings, job, **given: calls.append((settings, job, given)))
    monkeypatch.setitem(sys.modules, module, double)
    words, expected = [*command.split(), "--params", str(params_path), "--scale", "smoke"], {}
    for name in folders:
        if name in ("sets", "references"):
            expected[name] = {role: Path(f"{name}-{role}") for role in ("val", "FFHQ")}
            words += [f"--{name}", *(f"{role}={folder}" for role, folder in expected[name].items())]
            made = list(expected[name].values())
        else:
            expected[name] = Path(f"folder-of-{name}")
            words += [f"--{name}", str(expected[name])]
            made = [expected[name]]
        for folder in made:
            folder.mkdir()
    assert main([*words, "--out", "out"]) == 0
    ((settings, job, given),) = calls
    assert settings == smoke
    assert (job.chapter, job.name, job.path) == (
        chapter,
        command.split()[-1],
        whole_plan(smoke).job(chapter, command.split()[-1]).path,
    )
    assert given == {**expected, "out": Path("out")}


def test_a_training_is_kept_where_its_address_says(smoke, params_path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("data").mkdir()
    given = {}
    double = ModuleType("pqgan.tokenizer.train")
    double.train = lambda settings, job, **named: given.update(named)
    monkeypatch.setitem(sys.modules, "pqgan.tokenizer.train", double)
    words = ["train-tokenizer", "kl-f8-d4", "--params", str(params_path), "--scale", "smoke", "--data", "data"]
    assert main([*words, "--out", "out"]) == 0
    assert given["run"] == Path(whole_plan(smoke).job("tokenizer", "kl-f8-d4").run_path)
    assert given["run"].parts[:3] == ("runs", "smoke", "tokenizer")
