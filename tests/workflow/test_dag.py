"""The DAG as a user plans it: the exact commands, on a copy without data, GPU or Slurm."""

import collections
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from whole_plan import pretend_selected, whole_plan

from pqgan.chapters import CHAPTERS
from pqgan.plan import Plan
from pqgan.report import contents
from pqgan.settings import load

ROOT = Path(__file__).parents[2]
RENDERING = ("await_selection", "render_table", "render_figure", "report_page", "summary", "all")


@pytest.fixture
def checkout(tmp_path) -> Path:
    """What a fresh clone has of the workflow."""
    for name in ("Snakefile", "params.yaml"):
        shutil.copy(ROOT / name, tmp_path)
    shutil.copytree(ROOT / "workflow", tmp_path / "workflow")
    (tmp_path / "slurm").symlink_to("workflow/profiles/slurm")
    (tmp_path / "profiles").symlink_to("workflow/profiles")
    return tmp_path


def snakemake(checkout: Path, *arguments: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "snakemake", *arguments]
    return subprocess.run(command, cwd=checkout, capture_output=True, text=True, check=False)


def planned_jobs(checkout: Path, *arguments: str) -> dict[str, int]:
    """Rule -> jobs of a dry run."""
    run = snakemake(checkout, "--cores", "all", "-n", *arguments)
    assert run.returncode == 0, run.stderr
    table = re.search(r"^job +count\n-+ +-+\n(.*?)\n\n", run.stdout + "\n\n", re.MULTILINE | re.DOTALL)
    rows = [line.split() for line in table[1].splitlines()] if table else []
    return {rule: int(count) for rule, count in rows if rule != "total"}


def pretend_all_is_made(checkout: Path, scale: str, chosen: dict[int, str] | None = None) -> None:
    """Give every planned result a folder, as a finished run or `dvc pull` leaves it, without Snakemake's metadata."""
    settings = load(checkout / "params.yaml", scale)
    plan = Plan(settings, chosen or settings.expected_selection)
    if not settings.named_selection:
        pretend_selected(settings, checkout, chosen)
    for job in plan.all():
        (checkout / job.path).mkdir(parents=True, exist_ok=True)
    (checkout / "reports").mkdir(exist_ok=True)
    for item in contents.ITEMS:
        for suffix in ("tex",) if item.startswith("table") else ("pdf", "png"):
            (checkout / f"reports/{item}.{suffix}").touch()
        made_from = [{"path": job.path} for job in contents.inputs(plan, item)]
        (checkout / f"reports/{item}.json").write_text(json.dumps({"scale": scale, "provenance": made_from}))
    (checkout / "reports/report.html").touch()
    (checkout / "reports/metrics.json").touch()


def change(checkout: Path, key: str, value) -> None:
    raw = yaml.safe_load((checkout / "params.yaml").read_text())
    *parents, last = key.split(".")
    place = raw
    for part in parents:
        place = place[part]
    place[last] = value
    (checkout / "params.yaml").write_text(yaml.safe_dump(raw, sort_keys=False))


def test_the_slurm_command_plans_every_job_of_the_sweep(checkout):
    jobs = planned_jobs(checkout, "--profile", "slurm", "reports/table1.tex")
    published, codecs, backbone, continuous, linear = 4, 10, 1, 2, 4
    assert jobs["train_tokenizer"] == 2 * 160 + 1 + continuous + linear
    assert jobs["evaluate_tokenizer"] == jobs["train_tokenizer"] + published + codecs + backbone
    assert jobs["fetch_baseline"] == published + codecs
    assert jobs["reference"] == 3
    assert jobs["select_tokenizer"] == 2
    assert jobs["render_table"] == 1
    assert "adapt" not in jobs


@pytest.mark.thorough
def test_the_whole_paper_scale_plans(checkout):
    jobs = planned_jobs(checkout, "--profile", "slurm")
    assert {"finetune_tokenizer": 2, "adapt": 6, "train_ldm": 3, "render_figure": 15}.items() <= jobs.items()


def test_a_training_asks_for_the_gpus_of_its_chapter(checkout):
    """Section A.1: the sweep has four, fine-tuning three; each GPU has a task, and all of them the job's cores."""
    plan = whole_plan(load(ROOT / "params.yaml", "paper"))
    target = plan.job("finetune", "f8").path
    run = snakemake(checkout, "--cores", "all", "-n", "-p", "--config", "scale=paper", "--", target)
    assert run.returncode == 0, run.stderr
    for rule, gpus, cpus in (("train_tokenizer", 4, 8), ("finetune_tokenizer", 3, 11)):
        said = re.search(rf"rule {rule}:.*?\n\n", run.stdout, re.DOTALL)[0]
        resources = set(re.search(r"resources: (.*)", said)[1].split(", "))
        assert {f"gpu={gpus}", f"tasks_per_node={gpus}", f"cpus_per_task={cpus}", "nodes=1"} <= resources, rule
        assert f"--ntasks-per-node={gpus} --cpus-per-task={cpus} " in said


def test_without_flags_the_smoke_scale_is_planned_and_every_rule_is_one_pqgan_command(checkout):
    settings = load(ROOT / "params.yaml", "smoke")
    # before selections are made, what follows from them has no address, and all else is planned
    for plan in (Plan(settings), whole_plan(settings)):
        run = snakemake(checkout, "--cores", "all", "-n", "-p")
        assert run.returncode == 0, run.stderr
        commands = [command for command in re.findall(r"Shell command: (.*)", run.stdout) if command != "None"]
        assert all(command.startswith("pqgan ") for command in commands)
        verbs = collections.Counter(command.split()[1] for command in commands)
        waiting = verbs["select-tokenizer"] > 0
        assert waiting == ("run involves checkpoint jobs" in run.stdout)
        made = 0 if waiting else len(plan.chapter("select"))
        unread = 1 if waiting else 0  # train_large, which only followers of a selection read
        assert sum(verbs.values()) == len(plan.addressed()) - unread - made + len(contents.ITEMS) + 2
        assert verbs["train-tokenizer"] == len(plan.chapter("tokenizer"))
        assert "scale smoke" in commands[0]
        pretend_selected(settings, checkout)


def test_config_on_the_command_line_wins_over_the_profile(checkout):
    jobs = planned_jobs(checkout, "--profile", "slurm", "--config", "scale=smoke", "--", "reports/table1.tex")
    assert jobs["train_tokenizer"] == len(whole_plan(load(ROOT / "params.yaml", "smoke")).chapter("tokenizer"))


def test_a_finished_run_leaves_nothing_to_do_whatever_the_time_stamps_say(checkout):
    pretend_all_is_made(checkout, "smoke")
    for folder in (checkout / "results/smoke/tokenizer").iterdir():
        (folder / "touched").touch()
    (checkout / "params.yaml").touch()
    (checkout / "Snakefile").touch()
    assert planned_jobs(checkout) == {}


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("ldm.steps", 101, {"train_ldm": 3, "evaluate_generation": 3}),
        ("speed.repeats", 4, {"bench_sampling": 4}),
        ("adapt.prompts", ["a cat"], {"sample": 3}),
        ("hardware.cpus", 2, {}),
    ],
)
def test_one_changed_number_reruns_what_depends_on_it_and_nothing_else(checkout, key, value, expected):
    pretend_all_is_made(checkout, "smoke")
    change(checkout, f"scales.smoke.{key}", value)
    jobs = planned_jobs(checkout)
    rendering = {rule: jobs.pop(rule) for rule in RENDERING if rule in jobs}
    assert jobs == expected
    assert bool(rendering) == bool(expected)
    assert rendering.get("render_table", 0) + rendering.get("render_figure", 0) < len(contents.ITEMS)


LOSER = {"F": 8, "d": 32, "S": 8, "K": 256}
ITS_OWN = {"train_tokenizer": 1, "evaluate_tokenizer": 1}


def jobs_without_rendering(checkout: Path) -> dict[str, int]:
    return {rule: count for rule, count in planned_jobs(checkout).items() if rule not in RENDERING}


def test_a_configuration_that_does_not_win_costs_its_training_its_evaluation_and_the_selection(checkout):
    pretend_all_is_made(checkout, "smoke")
    old = load(checkout / "params.yaml", "smoke")
    before = {job.path for job in whole_plan(old).all()}
    change(checkout, "scales.smoke.tokenizer.sweep", [*_sweep(checkout), LOSER])
    assert jobs_without_rendering(checkout) == {**ITS_OWN, "select_tokenizer": 1}
    new = load(checkout / "params.yaml", "smoke")
    pretend_selected(new, checkout, old.expected_selection)
    assert jobs_without_rendering(checkout) == ITS_OWN, "a selection that is made asks for no evaluation again"
    after = Plan(new, old.expected_selection)
    moved = {(job.chapter, job.name) for job in after.all() if job.path not in before}
    assert moved == {("tokenizer", "f8-d32-S8-K256"), ("evaluate", "f8-d32-S8-K256"), ("select", "f8")}


def test_a_configuration_that_wins_brings_what_follows_from_it_and_going_back_finds_the_old_results(checkout):
    pretend_all_is_made(checkout, "smoke")
    old = load(checkout / "params.yaml", "smoke")
    change(checkout, "scales.smoke.tokenizer.sweep", [*_sweep(checkout), LOSER])
    new = load(checkout / "params.yaml", "smoke")
    chosen = {**old.expected_selection, 8: "f8-d32-S8-K256"}
    pretend_selected(new, checkout, chosen)
    following = {"finetune_tokenizer": 1, "evaluate_finetuned": 2, "adapt": 2, "sample": 1, "bench_sampling": 1}
    following |= {"train_ldm": 1, "evaluate_generation": 1}
    assert jobs_without_rendering(checkout) == {**ITS_OWN, **following}
    pretend_all_is_made(checkout, "smoke", chosen)
    assert jobs_without_rendering(checkout) == {}
    change(checkout, "scales.smoke.tokenizer.sweep", _sweep(checkout)[:-1])
    assert jobs_without_rendering(checkout) == {}


def _sweep(checkout: Path) -> list[dict]:
    return yaml.safe_load((checkout / "params.yaml").read_text())["scales"]["smoke"]["tokenizer"]["sweep"]


def test_an_address_of_other_settings_is_refused(checkout):
    run = snakemake(checkout, "--cores", "all", "-n", "results/smoke/finetune/f8-01234567")
    assert run.returncode == 0, "before the selection it may be the right one"
    pretend_selected(load(checkout / "params.yaml", "smoke"), checkout)
    run = snakemake(checkout, "--cores", "all", "-n", "results/smoke/finetune/f8-01234567")
    assert run.returncode == 1
    assert "f8-01234567" in run.stdout + run.stderr


RULES = {name: re.sub("[- ]", "_", chapter.command) for name, chapter in CHAPTERS.items()}
"""Chapter -> its rule, which is named like the command."""


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("versions.data", 99),
        ("versions.tokenizer", 99),
        ("scales.smoke.evaluation.showcase", 9),
        ("scales.smoke.tokenizer.codebook.revive_after", 100),
    ],
)
def test_a_job_for_each_address_that_moves_and_no_other(checkout, key, value):
    pretend_all_is_made(checkout, "smoke")
    before = {job.path for job in whole_plan(load(checkout / "params.yaml", "smoke")).all()}
    change(checkout, key, value)
    settings = load(checkout / "params.yaml", "smoke")
    moved = [job for job in whole_plan(settings).all() if job.path not in before]
    if any(job.chapter == "select" for job in moved):
        pretend_selected(settings, checkout)
        moved = [job for job in moved if job.chapter != "select"]
    jobs = planned_jobs(checkout)
    expected = collections.Counter(RULES[job.chapter] for job in moved)
    assert {rule: count for rule, count in jobs.items() if rule not in RENDERING} == expected


def test_a_bad_value_stops_before_any_job_in_one_line(checkout):
    change(checkout, "scales.smoke.tokenizer.training.steps", -5)
    run = snakemake(checkout, "--cores", "all", "-n")
    assert run.returncode == 2
    lines = [line for line in (run.stdout + run.stderr).splitlines() if line.strip()]
    lines = [line for line in lines if not line.startswith("Using workflow specific profile")]
    assert any("tokenizer.training.steps" in line and "-5" in line and "greater than 0" in line for line in lines)
    assert len(lines) == 1, lines


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ("seed=3", "--config: got seed; allowed: scale"),
        ("scale=", "scale: got None; allowed"),
        ("scale=[smoke,paper]", "scale: got ['smoke', 'paper']; allowed: the name of one scale"),
        ("scale=smoke,paper", "scale: got 'smoke,paper'; allowed: smoke, mini"),
    ],
)
def test_config_that_is_not_a_scale_is_refused_in_one_line(checkout, config, expected):
    run = snakemake(checkout, "--cores", "all", "-n", "--config", config)
    assert run.returncode == 2
    (line,) = (line for line in run.stderr.splitlines() if not line.startswith("Using workflow specific profile"))
    assert expected in line


def test_every_rule_of_a_follower_waits_for_its_selection():
    """Its command reads the selection to know its own address, also while Snakemake makes the selection once more."""
    plan = whole_plan(load(ROOT / "params.yaml", "smoke"))
    text = "".join(file.read_text() for file in sorted((ROOT / "workflow/rules").glob("*.smk")))
    following = {chapter for chapter in RULES if any(job.follows for job in plan.chapter(chapter).values())}
    assert following == set(re.findall(r'^        selections=selections\("(\w+)"\),$', text, re.MULTILINE))
    assert "finetune" in following
