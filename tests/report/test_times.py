"""GPU hours and phases of a run, from benchmark files whose seconds are known."""

import pytest
from whole_plan import whole_plan

from pqgan.chapters import gpus_of
from pqgan.report.times import RuleTime, run_times
from pqgan.settings import Settings
from pqgan.settings.hardware import TrainingGPUs


def test_gpu_hours_are_seconds_times_the_gpus_of_a_job():
    assert RuleTime("training", "tokenizer", 3, 7200.0, 4000.0, gpus=4).gpu_hours == 8
    assert RuleTime("preparation", "data", 3, 7200.0, 4000.0, gpus=0).gpu_hours == 0


def test_jobs_are_summed_up_by_rule_and_weighed_with_their_gpus(smoke, tmp_path):
    raw = smoke.model_dump()
    gpus = {"tokenizer": 2, "finetune": 4, "adapt": 2, "ldm": 1}
    raw["scale"]["hardware"] |= {"accelerator": "auto", "gpus": gpus, "evaluation_devices": 2}
    plan = whole_plan(Settings.model_validate(raw))
    seconds = {
        ("finetune", "f8"): 100.0,
        ("finetune", "f16"): 300.0,
        ("generation", "vae"): 50.0,
        ("select", "f8"): 7.0,
    }
    for (chapter, name), taken in seconds.items():
        file = tmp_path / chapter / f"{plan.job(chapter, name).id}.tsv"
        file.parent.mkdir(exist_ok=True)
        file.write_text(f"s\th:m:s\n{taken}\t0\n")
    times = run_times(plan, tmp_path, {plan.job("finetune", "f8").path: 90.0})
    found = {rule.rule: (rule.jobs, rule.seconds, rule.longest, rule.gpus) for rule in times.rules}
    assert found == {"finetune": (2, 400, 300, 4), "generation": (1, 50, 50, 2), "select": (1, 7, 7, 0)}
    assert times.phases() == {"training": 400, "selection": 7, "evaluation": 50}
    assert times.gpu_hours == pytest.approx((400 * 4 + 50 * 2) / 3600)
    assert (times.startup_seconds, times.startup_jobs) == (10, 1)


def test_a_job_has_the_gpus_that_its_rule_asks_for(smoke):
    gpus = TrainingGPUs(tokenizer=4, finetune=3, adapt=2, ldm=0)
    hardware = smoke.scale.hardware.model_copy(update={"gpus": gpus, "evaluation_devices": 2})
    of = {"tokenizer": 4, "finetune": 3, "adapt": 2, "ldm": 0, "evaluate": 2, "generation": 2}
    of |= {"reference": 1, "speed": 1, "select": 0, "data": 0}
    assert {chapter: gpus_of(chapter, hardware) for chapter in of} == of
    without = hardware.model_copy(update={"gpus": TrainingGPUs.same(0)})
    assert {gpus_of(chapter, without) for chapter in of} == {0}
