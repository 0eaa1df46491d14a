"""The user's command on a real Slurm: what each job asks for, and that its processes are Slurm's tasks."""

import copy
import math
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from fault_sameness import assert_same
from whole_plan import whole_plan

from pqgan.cost.disk import training_bytes
from pqgan.report import contents
from pqgan.settings import load


def rule_of(job: dict[str, str]) -> str:
    return job["Comment"].removeprefix("rule_").partition("_wildcards_")[0]


def request_of(job: dict[str, str]) -> dict[str, str]:
    """What a job asked for, in the words of params.yaml."""
    return {
        "gpus": job.get("TresPerJob", "gres:gpu:0").removeprefix("gres:gpu:"),
        "processes": job["NumTasks"],
        "cpus": job["NumCPUs"],
        "mem_mb": job["MinMemoryNode"],
        "minutes": job["TimeLimit"],
    }


def test_each_job_asks_for_what_the_hardware_settings_say(checkouts, tiny):
    params = copy.deepcopy(tiny)
    hardware = {"gpus": 2, "processes": 2, "cpus": 2, "mem_mb": 2100, "runtime": 20, "runtime_short": 10}
    params["scales"]["smoke"]["hardware"] |= hardware
    checkout = checkouts(params)
    targets = [checkout.target(), checkout.target("reference", "val")]
    assert checkout.run("--", *targets) == 0, checkout.said()
    asked = {rule_of(job): request_of(job) for job in checkout.jobs()}
    training = {"gpus": "2", "processes": "2", "cpus": "2", "mem_mb": "2100M", "minutes": "00:20:00"}
    inference = {"gpus": "1", "processes": "1", "cpus": "2", "mem_mb": "2100M", "minutes": "00:10:00"}
    preparation = {"gpus": "0", "processes": "1", "cpus": "1", "mem_mb": "2100M", "minutes": "00:10:00"}
    assert asked == {"train_tokenizer": training, "reference": inference, "prepare_data": preparation}
    assert all(job["JobState"] == "COMPLETED" for job in checkout.jobs())


@pytest.mark.thorough
def test_slurm_starts_a_process_for_each_device(checkouts, tiny, prepared, wait_for, environment):
    params = copy.deepcopy(tiny)
    params["scales"]["smoke"]["hardware"] |= {"gpus": 2, "processes": 2}
    without = checkouts(params, prepared)
    assert without.run("--", without.target(), profile=()) == 0, without.said()  # Fabric starts them

    checkout = checkouts(params, prepared)
    workflow = checkout.start("--", checkout.target())

    def tasks() -> dict[str, dict[str, str]]:
        """Rank -> environment of the training's processes."""
        found = {}
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                command = (folder / "cmdline").read_text().split("\0")
                here = (folder / "cwd").readlink() == checkout.folder
                if here and len(command) > 2 and Path(command[1]).name == "pqgan":
                    variables = environment(int(folder.name))
                    found[variables["SLURM_PROCID"]] = variables
            except OSError:
                continue  # has ended
        return found

    wait_for(lambda: len(tasks()) == 2 or workflow.poll() is not None, "both processes run")
    seen = tasks()
    assert set(seen) == {"0", "1"}, checkout.said()
    for rank, variables in seen.items():
        assert variables["SLURM_NTASKS"] == variables["SLURM_NTASKS_PER_NODE"] == "2"
        assert variables["SLURM_LOCALID"] == rank
        assert variables["SLURM_CPUS_PER_TASK"] == "1"
        assert variables["CUDA_VISIBLE_DEVICES"] == "0,1"  # Fabric takes the one of its rank
    assert workflow.wait(300) == 0, checkout.said()
    assert_same(checkout.path(), without.path())


def test_without_a_task_for_each_device_nothing_is_trained(checkouts, tiny, prepared):
    params = copy.deepcopy(tiny)
    params["scales"]["smoke"]["hardware"] |= {"processes": 2}
    checkout = checkouts(params, prepared)
    training = ["train-tokenizer", "f8-d16-S4-K64", "--scale", "smoke", "--data", checkout.target("data", "train")]
    pqgan = Path(sys.executable).with_name("pqgan")
    command = ["srun", "--ntasks=1", "--mem=2000", pqgan, *training, "--out", checkout.target()]
    done = subprocess.run(command, cwd=checkout.folder, capture_output=True, text=True, check=False)
    assert done.returncode == 5
    expected = "SLURM_NTASKS: got 1, expected 2: a process for each of the job's devices"
    assert expected in done.stderr
    assert not checkout.path().exists()


def test_the_plan_of_the_paper_says_what_each_training_asks_for_and_takes(checkouts, params_path):
    raw = yaml.safe_load(params_path.read_text())
    checkout = checkouts(raw)
    snakemake = Path(sys.executable).with_name("snakemake")
    command = [snakemake, "--cores", "all", "-n", "-p", "--profile", "slurm", "reports/table1.tex"]
    done = subprocess.run(command, cwd=checkout.folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    plan = whole_plan(load(checkout.folder / "params.yaml", "paper"))
    names = {job.path: name for name, job in plan.chapter("tokenizer").items()}
    written = training_bytes(plan)
    minutes = raw["scales"]["paper"]["hardware"]["runtime"]
    assert minutes == 7 * 24 * 60
    trainings = re.findall(r"rule train_tokenizer:.*?\n\n", done.stdout, re.DOTALL)
    paths = [re.search(r"output: (\S+)", training)[1] for training in trainings]
    assert sorted(paths) == sorted(names)
    assert len(paths) > 320  # two factors of 160, and what stands beside the grid
    asked = {"gpu=4", "tasks_per_node=4", "cpus_per_task=8", "mem_mb=256000", f"runtime={minutes}", "nodes=1"}
    srun = "${SLURM_JOB_ID:+srun --nodes=1 --ntasks-per-node=4 --cpus-per-task=8 --kill-on-bad-exit=1} pqgan train"
    for path, training in zip(paths, trainings, strict=True):
        resources = set(re.search(r"resources: (.*)", training)[1].split(", "))
        disk = math.ceil(written["tokenizer", names[path]] / 1e6)
        assert asked | {f"disk_mb={disk}"} <= resources, training
        assert srun in training


@pytest.mark.thorough
def test_the_whole_smoke_scale(checkouts, params_path):
    checkout = checkouts(yaml.safe_load(params_path.read_text()))
    assert checkout.run(timeout=1800) == 0, checkout.said()
    assert (checkout.folder / "reports/report.html").stat().st_size > 0
    for number in range(1, 6):
        assert (checkout.folder / f"reports/table{number}.tex").stat().st_size > 0
    assert len(checkout.numbers()) == len(checkout.plan.all()) + len(contents.ITEMS) + 1
