"""Jobs cancelled, cut off, put back, orphaned: a training goes on from its checkpoint and ends as if undisturbed."""

import os
import signal
import subprocess
from pathlib import Path

import pytest
import yaml
from fault_sameness import assert_same

HERE = Path(__file__).parent
thorough = pytest.mark.thorough


@pytest.fixture
def held(checkout):
    """A workflow whose training waits in its seventh update; its Slurm job."""
    checkout.hold()
    checkout.start("--", checkout.target())
    return checkout.until_held()


def ends_undisturbed(checkout, undisturbed, from_step: int) -> None:
    """Assert that the workflow ends well, its training having gone on from a step."""
    assert checkout.started[-1].wait(300) == 0, checkout.said()
    assert f"goes on from step {from_step}/12" in checkout.log().read_text()
    assert_same(checkout.path(), undisturbed)


def test_cancelled(checkout, held, undisturbed, slurm):
    slurm("scancel", held)
    checkout.release()
    ends_undisturbed(checkout, undisturbed, from_step=7)
    assert [job["JobState"] for job in checkout.jobs()] == ["CANCELLED", "COMPLETED"]


@thorough
def test_cut_off_by_its_time_limit(checkout, held, undisturbed, slurm, state):
    slurm("scontrol", "update", f"JobId={held}", "TimeLimit=0:01")
    state(held, "TIMEOUT")  # it does not answer SIGTERM and is killed
    checkout.release()
    ends_undisturbed(checkout, undisturbed, from_step=6)
    assert [job["JobState"] for job in checkout.jobs()] == ["TIMEOUT", "COMPLETED"]


@thorough
def test_put_back_into_the_queue(checkout, held, undisturbed, slurm, starts_again):
    slurm("scontrol", "requeue", held)
    checkout.release()
    starts_again(held)
    ends_undisturbed(checkout, undisturbed, from_step=7)
    assert [(job["JobId"], job["Restarts"]) for job in checkout.jobs()] == [(held, "1")]


@thorough
def test_its_node_daemon_dies_and_comes_back(checkout, held, undisturbed, cluster, daemon):
    os.kill(daemon("slurmd"), signal.SIGKILL)
    checkout.release()
    subprocess.run([HERE / "up", cluster], check=True)
    assert checkout.started[-1].wait(300) == 0, checkout.said()
    assert_same(checkout.path(), undisturbed)
    assert len(checkout.jobs()) == 1


@thorough
@pytest.mark.parametrize("place", ["the same machine", "another machine"])
def test_its_node_dies_and_it_starts_again(
    place, checkout, undisturbed, cluster, daemon, environment, state, starts_again
):
    checkout.hold()
    if place == "another machine":
        checkout.scatter()
    checkout.start("--", checkout.target())
    held = checkout.until_held()
    processes = processes_of(held, environment)
    # so that the next attempt is not given the number of this namespace again
    kept = [os.open(f"/proc/{pid}/ns/pid", os.O_RDONLY) for pid in processes]
    for pid in [daemon("slurmd"), *processes]:
        os.kill(pid, signal.SIGKILL)
    checkout.release()
    state(held, "PENDING")  # within a minute Slurm gives its node up
    subprocess.run([HERE / "up", cluster], check=True)
    starts_again(held)
    ends_undisturbed(checkout, undisturbed, from_step=6)
    assert [(job["JobId"], job["Restarts"]) for job in checkout.jobs()] == [(held, "1")]
    for handle in kept:
        os.close(handle)


def processes_of(job: str, environment) -> list[int]:
    """All processes of a job, and what Slurm watches it with."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            title = (folder / "cmdline").read_text()
            if title.startswith(f"slurmstepd: [{job}.") or environment(int(folder.name)).get("SLURM_JOB_ID") == job:
                found.append(int(folder.name))
        except OSError:
            continue  # has ended
    return found


@thorough
def test_the_workflow_is_stopped_with_ctrl_c(checkout, held, undisturbed, state):
    os.kill(checkout.started[-1].pid, signal.SIGINT)
    checkout.release()
    assert checkout.started[-1].wait(120) != 0
    state(held, "CANCELLED")
    assert not checkout.path().exists()
    checkout.start("--", checkout.target())
    ends_undisturbed(checkout, undisturbed, from_step=7)


@thorough
def test_the_workflow_is_killed_and_its_job_lives_on(checkout, held, undisturbed, slurm, state):
    workflow = checkout.started[-1]
    workflow.kill()
    workflow.wait(60)
    state(held, "RUNNING")
    name = slurm("squeue", "--noheader", "--jobs", held, "--format=%j").strip()
    assert f"SLURM run ID: {name}" in checkout.said()
    slurm("scancel", f"--name={name}")
    checkout.release()
    state(held, "CANCELLED")
    assert checkout.run("--unlock") == 0, checkout.said()
    checkout.start("--", checkout.target())
    ends_undisturbed(checkout, undisturbed, from_step=7)


def test_a_failed_job_names_its_log_and_stops_only_what_depends_on_it(checkouts, tiny, prepared):
    checkout = checkouts(tiny, prepared)
    checkout.run_folder("kl-f8-d4").parent.mkdir(parents=True)
    checkout.run_folder("kl-f8-d4").write_text("in the way")
    evaluation = checkout.target("evaluate", "kl-f8-d4")
    assert checkout.run("--retries", "0", "--", evaluation, checkout.target()) == 1
    assert checkout.path().is_dir()
    assert not (checkout.folder / evaluation).exists()
    log = checkout.log("tokenizer", "kl-f8-d4")
    assert "is a file; expected a folder" in log.read_text()
    assert str(log.relative_to(checkout.folder)) in checkout.said()
    assert "is a file; expected a folder" in checkout.said()
    ended = {job["Comment"].partition("_wildcards_")[0]: job["JobState"] for job in checkout.jobs()}
    assert "rule_evaluate_tokenizer" not in ended
    assert yaml.safe_load((checkout.folder / "slurm/profile.yaml").read_text())["keep-going"]
