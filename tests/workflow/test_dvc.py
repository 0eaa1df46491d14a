"""DVC round trip, for real: what is pulled is not made again, what is deleted is restored, what is damaged is named."""

import collections
import io
import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from PIL import Image

pytestmark = pytest.mark.thorough
through_every_remote = pytest.mark.parametrize("pulled", ["finished", "on_s3"], ids=["folder", "s3"], indirect=True)


def flip(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    os.chmod(file, 0o644)
    file.write_bytes(content)
    os.chmod(file, 0o444)  # DVC takes a read-only object of its cache for whole


def nothing_to_do(checkout) -> bool:
    return checkout.stages_run("tokenizers") == [] and checkout.planned("tokenizers") == {}


def finished_results(checkout) -> int:
    """Results of the plan that are there: of the three stages that were run."""
    found = sum((checkout.folder / job.path).is_dir() for job in checkout.plan.all())
    assert found > 12
    return found


@through_every_remote
def test_a_finished_run_and_a_fresh_clone_have_nothing_to_do(finished, pulled):
    assert nothing_to_do(finished)
    assert not (pulled.folder / ".snakemake").exists(), "the clone must not know what Snakemake did elsewhere"
    assert nothing_to_do(pulled)
    said = pulled.run("pqgan", "verify")
    assert said.startswith(f"{finished_results(pulled)} of "), said


def test_comments_time_stamps_and_code_rerun_nothing(finished, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(finished.folder, copy, symlinks=True)
    checkout = type(finished)(copy)
    params = copy / "params.yaml"
    params.write_text("# a comment\n" + params.read_text())
    for file in (copy / "results").rglob("*"):
        os.utime(file)
    rules = copy / "workflow/rules/tokenizer.smk"
    rules.write_text(rules.read_text().replace("&> {log}", "--params params.yaml &> {log}"))
    (copy / "Snakefile").touch()
    assert (copy / ".snakemake/metadata").is_dir(), "or Snakemake could not know that the rules have changed"
    assert nothing_to_do(checkout)


def test_a_changed_number_after_a_pull_reruns_its_dependants_and_changed_back_finds_the_old_ones(pulled):
    old = pulled.plan.job("tokenizer", "f8-d16-S4-K64").path
    steps = pulled.plan.settings.scale.tokenizer.training.steps
    pulled.change("scales.smoke.tokenizer.training.steps", steps + 1)
    assert pulled.planned("tokenizers") == {"train_tokenizer": 2, "evaluate_tokenizer": 2, "select_tokenizer": 2}
    assert pulled.stages_run("tokenizers") == ["tokenizers"]
    assert pulled.plan.job("tokenizer", "f8-d16-S4-K64").path != old
    assert nothing_to_do(pulled)
    assert (pulled.folder / old).is_dir()
    pulled.change("scales.smoke.tokenizer.training.steps", steps)
    assert pulled.planned("tokenizers") == {}
    # two settings of one model: DVC says which number differs between them
    said = json.loads(pulled.run("dvc", "params", "diff", "--json"))
    assert said == {}
    pulled.change("scales.smoke.tokenizer.training.steps", 7)
    said = json.loads(pulled.run("dvc", "params", "diff", "--json"))
    assert said["params.yaml"]["scales.smoke.tokenizer.training.steps"] == {"old": steps, "new": 7, "diff": 7 - steps}


def test_a_deleted_result_is_restored_and_not_trained_again(pulled):
    weights = pulled.weights
    before = weights.read_bytes()
    shutil.rmtree(weights.parent)
    assert re.search(r"modified: +results/smoke/tokenizer", pulled.run("dvc", "status", "tokenizers"))
    assert pulled.planned("tokenizers")["train_tokenizer"] == 1, "or there would be nothing to prevent"
    pulled.restore()
    assert weights.read_bytes() == before
    assert nothing_to_do(pulled)


def test_a_damaged_result_is_named_and_restored(pulled):
    weights = pulled.weights
    before = weights.read_bytes()
    flip(weights)
    said = pulled.run("pqgan", "verify", code=3)
    assert f"{weights.relative_to(pulled.folder)}: sha256 is" in said
    assert f"1 of {finished_results(pulled)} finished results are damaged" in said
    shutil.rmtree(weights.parent)
    pulled.restore()
    assert weights.read_bytes() == before
    assert "as it was written" in pulled.run("pqgan", "verify")


@through_every_remote
def test_a_damaged_object_in_the_cache_is_named_once_it_is_a_result_and_pulled_anew(pulled):
    weights = pulled.weights
    before, cache = weights.read_bytes(), pulled.cached(weights)
    flip(cache)
    shutil.rmtree(weights.parent)
    pulled.restore()
    assert weights.read_bytes() != before, "DVC is expected to trust its cache, which docs/dvc.md says"
    assert f"{weights.relative_to(pulled.folder)}: sha256 is" in pulled.run("pqgan", "verify", code=3)
    cache.unlink()
    shutil.rmtree(weights.parent)
    pulled.run("dvc", "pull", "tokenizers")
    assert weights.read_bytes() == before
    assert "as it was written" in pulled.run("pqgan", "verify")


def test_what_snakemake_made_by_itself_is_dvcs_after_a_commit(pulled):
    pulled.change("scales.smoke.evaluation.showcase", 1)
    pulled.run("snakemake", "--cores", "1", "--", "tokenizers")
    assert pulled.planned("tokenizers") == {}
    pulled.run("dvc", "commit", "--force", "data", "references", "tokenizers")
    assert nothing_to_do(pulled)
    assert "up to date" in pulled.run("dvc", "status", "tokenizers")


def test_what_a_killed_command_left_is_not_published(pulled):
    working = pulled.weights.parent.with_name(f".{pulled.weights.parent.name}.pqgan-01234567-1-2-abcdefgh")
    (working / "content").mkdir(parents=True)
    (working / "content/half.safetensors").write_bytes(b"half")
    assert "up to date" in pulled.run("dvc", "status", "tokenizers")
    pulled.run("dvc", "commit", "--force", "tokenizers")
    assert pulled.run("git", "status", "--porcelain", "dvc.lock") == ""


def test_a_second_clone_prepares_nothing_where_results_are_shared(finished, tmp_path):
    shared = str(tmp_path / "shared")
    said = []
    for name in ("one", "two"):
        clone = finished.clone(tmp_path / name)
        clone.environment["PQGAN_SHARED_DIR"] = shared
        assert clone.planned("data") == {"prepare_data": 4}
        clone.run(
            "snakemake", "--cores", "1", "--", "data", *(job.path for job in clone.plan.chapter("reference").values())
        )
        logs = [*clone.folder.glob("logs/smoke/data/*"), *clone.folder.glob("logs/smoke/reference/*")]
        said.append([log.read_text() for log in logs])
        assert "6 of " in clone.run("pqgan", "verify")
    assert not any("taken from" in log for log in said[0])
    assert len(said[1]) == 6
    assert all("taken from" in log for log in said[1]), said[1]


def test_a_user_s_file_among_the_reports_is_taken_away_only_if_the_cache_has_it(checkout):
    for value in (b"1", b"2"):
        checkout.commit_reports({"metrics.json": value})
        checkout.commit()
    mine = checkout.folder / "reports/mine/notes.txt"
    mine.parent.mkdir()
    mine.write_text("dear")
    checkout.run("git", "checkout", "--quiet", "HEAD~1")
    said = checkout.run("dvc", "checkout", "reports", code=255)
    assert "unsaved files" in said
    assert mine.read_text() == "dear"
    checkout.run("git", "checkout", "--quiet", "-")
    checkout.run("dvc", "commit", "--force", "reports")
    checkout.commit()
    checkout.run("git", "checkout", "--quiet", "HEAD~1")
    checkout.run("dvc", "checkout", "reports")
    assert not mine.exists()
    checkout.run("git", "checkout", "--quiet", "-")
    checkout.run("dvc", "checkout", "reports")
    assert mine.read_text() == "dear"


def test_make_clean_takes_rendered_items_and_leaves_a_user_s_files(tmp_path):
    shutil.copy(Path(__file__).parents[2] / "Makefile", tmp_path)
    made = ("table1.tex", "table1.json", "figure_bits.png", "figure_bits.json", "metrics.json", "report.html")
    mine = ("notes.txt", "mine/table1.tex", "table_mine.tex", "figure_draft.pdf", "table_mine.json")
    for name in (*made, *mine):
        (tmp_path / "reports" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "reports" / name).write_text('{\n "item": "made"}' if name in made else name)
    subprocess.run(["make", "clean"], cwd=tmp_path, capture_output=True, check=True)
    assert sorted(
        str(path.relative_to(tmp_path / "reports")) for path in (tmp_path / "reports").rglob("*.*")
    ) == sorted(mine)


def picture() -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (4, 4)).save(file, "PNG")
    return file.getvalue()


def test_metrics_and_plots_are_shown_and_compared(checkout):
    figures = {f"figure{number}.png": picture() for number in (3, 5, 6)}
    for value in (20.5, 21.75):
        metrics = json.dumps({"table1": {"f8-d16-S4-K64": {"psnr": value}}})
        checkout.commit_reports({**figures, "metrics.json": metrics.encode()})
        checkout.commit()
    shown = json.loads(checkout.run("dvc", "metrics", "show", "--json"))
    assert shown[""]["data"]["reports/metrics.json"]["data"] == {"table1": {"f8-d16-S4-K64": {"psnr": 21.75}}}
    compared = json.loads(checkout.run("dvc", "metrics", "diff", "HEAD~1", "--json"))
    assert compared["reports/metrics.json"] == {"table1.f8-d16-S4-K64.psnr": {"old": 20.5, "new": 21.75, "diff": 1.25}}
    checkout.run("dvc", "plots", "show", "--out", "page")
    page = checkout.folder / "page"
    shown = re.findall(r'<img[^>]*src="([^"]+)"', (page / "index.html").read_text())
    assert len(shown) == len(figures)
    for name, content in figures.items():
        (source,) = [source for source in shown if source.endswith(name)]
        assert (page / source).read_bytes() == content


@pytest.mark.parametrize("options", [(), ("--temp",)], ids=["here", "in a copy"])
def test_an_experiment_makes_what_its_number_touches_and_leaves_the_rest(pulled, options):
    key, old = "scales.smoke.evaluation.showcase", pulled.plan.settings.scale.evaluation.showcase
    said = pulled.run("dvc", "exp", "run", *options, "--name", "one", "--set-param", f"{key}={old - 1}", "tokenizers")
    assert "Stage 'data' didn't change, skipping" in said
    assert collections.Counter(re.findall(r"^(?:local)?rule (\w+):", said, re.MULTILINE)) == {
        "evaluate_tokenizer": 3, "tokenizers": 1
    }  # fmt: skip
    if options:
        assert pulled.run("git", "status", "--porcelain") == ""
        # DVC also looks for chapters that nobody has made, and says so by its exit code
        said = pulled.run("dvc", "exp", "apply", "one", code=255)
        assert "results/smoke/matching" in said
    assert pulled.plan.settings.scale.evaluation.showcase == old - 1
    assert nothing_to_do(pulled)
    assert "as it was written" in pulled.run("pqgan", "verify")
    compared = json.loads(pulled.run("dvc", "params", "diff", "--json"))
    assert compared == {"params.yaml": {key: {"old": old, "new": old - 1, "diff": -1}}}
    # and back to what is committed
    pulled.run("git", "checkout", "--quiet", ".")
    pulled.restore()
    assert nothing_to_do(pulled)
    assert pulled.run("dvc", "exp", "list", "--name-only").split() == ["one"]


def test_a_stage_sends_its_jobs_where_the_profile_of_the_environment_says(pulled, tmp_path):
    programs = tmp_path / "programs"
    programs.mkdir()
    snakemake = shutil.which("snakemake", path=pulled.environment["PATH"])
    (programs / "snakemake").write_text(f'#!/bin/sh\nexec "{snakemake}" --dry-run "$@"\n')
    (programs / "snakemake").chmod(0o755)
    steps = pulled.plan.settings.scale.tokenizer.training.steps
    pulled.change("scales.smoke.tokenizer.training.steps", steps + 1)
    pulled.environment |= {
        "PATH": f"{programs}{os.pathsep}{pulled.environment['PATH']}",
        "SNAKEMAKE_PROFILE": "slurm",
    }
    said = pulled.run("dvc", "repro", "tokenizers")
    assert "Using profiles slurm and workflow specific profile profiles/default" in said
    trained = pulled.plan.job("tokenizer", "f8-d16-S4-K64").path
    assert f"output: {trained}" in said, "the stage's own scale must win over the profile's"
    assert "cpus_per_task=1" in said, "of the profile's default-resources"
