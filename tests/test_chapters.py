"""What the table of chapters says is what plan, rules and settings have; which function a command calls, with what."""

import re
import sys
from pathlib import Path
from types import ModuleType

import pytest
from whole_plan import pretend_selected, whole_plan

from pqgan.chapters import CHAPTERS, PHASES, VERBS
from pqgan.cli import main
from pqgan.plan import Plan
from pqgan.settings import load
from pqgan.settings.hardware import TrainingGPUs
from pqgan.subjects import SUBJECTS

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
NOT_CALLED = ("published", "matching", "evaluate_transfer")
"""One has no folders, one no common command line, and of the last scale smoke has none."""


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


def test_the_plan_has_the_chapters_of_the_table(params_path):
    planned = {job.chapter for scale in ("smoke", "released", "paper") for job in Plan(load(params_path, scale)).all()}
    assert planned == set(CHAPTERS)
    assert {name: chapter.name for name, chapter in CHAPTERS.items()} == {name: name for name in CHAPTERS}


def test_every_chapter_is_in_one_part_of_the_times():
    listed = [name for names in PHASES.values() for name in names]
    assert sorted(listed) == sorted([*CHAPTERS, "report"])


def test_what_trains_has_gpus_of_its_own_in_the_settings():
    trained = {name for name, chapter in CHAPTERS.items() if chapter.trains}
    assert trained == set(TrainingGPUs.model_fields)
    assert trained == {name for name, chapter in CHAPTERS.items() if chapter.gpus == "training"}


def test_records_are_of_the_kinds_that_are_known():
    assert {chapter.record for chapter in CHAPTERS.values()} - {None} == set(SUBJECTS)


def test_every_command_of_the_table_but_the_bench_of_matching_is_called_here():
    assert {tuple(command.split()[:-1]) for command in CALLS} == {
        tuple(chapter.command.split()) for chapter in CHAPTERS.values() if chapter.name not in NOT_CALLED
    }
    assert set(CHAPTERS) - {chapter.name for chapter in VERBS.values()} == {"matching"}


def test_each_chapter_has_one_rule_that_runs_its_command_and_asks_for_what_the_table_says(params_path):
    text = "".join(path.read_text() for path in sorted((params_path.parent / "workflow/rules").glob("*.smk")))
    rules = re.split(r"^(?:rule|checkpoint) ", text, flags=re.MULTILINE)[1:]
    made = {found[1]: rule for rule in rules if (found := re.search(r"directory\(place\(\"(\w+)\"\)\)", rule))}
    assert set(made) == set(CHAPTERS)
    assert len(re.findall(r"directory\(", text)) == len(CHAPTERS)
    for name, rule in made.items():
        chapter = CHAPTERS[name]
        assert rule.startswith(f"{re.sub('[- ]', '_', chapter.command)}:"), name
        for asked in ("log_of", "benchmark_of", "planned", r"\*\*resources_of"):
            assert re.findall(rf"{asked}\(\"(\w+)\"\)", rule) == [name], f"{asked} of rule {rule.partition(':')[0]}"
        launched = r"\{resources\.launcher\}" if chapter.gpus in ("training", "evaluation") else ""
        assert re.search(rf'"{launched}pqgan {chapter.command} \{{params\.job:q\}}', rule), name
