"""Killed where it hurts most; the same command again ends as if nothing had happened."""

import random
import shutil
import time

import pytest
from fault_points import AtStep, Renaming, WritingState, hold, kill
from fault_runs import is_dead, wait_for
from fault_sameness import assert_same

SIGKILL = -9
thorough = pytest.mark.thorough


@pytest.mark.parametrize(
    ("fault", "left"),
    [
        pytest.param(AtStep(0, kill), [], id="before the first update", marks=thorough),
        pytest.param(AtStep(6, kill, updates=1), [3, 6], id="between generator and discriminator"),
        pytest.param(WritingState(9, kill), [3, 6], id="in the middle of a save"),
        pytest.param(Renaming("step-00000009", kill), [3, 6], id="saved but not renamed", marks=thorough),
        pytest.param(
            Renaming("step-00000009", kill, done=True), [3, 6, 9], id="renamed but older ones there", marks=thorough
        ),
        pytest.param(WritingState(3, kill), [], id="in the first save", marks=thorough),
        pytest.param(WritingState(12, kill), [6, 9], id="in the last save", marks=thorough),
    ],
)
def test_a_killed_training_goes_on_from_its_newest_whole_checkpoint(fault, left, training, reference):
    assert training.run(fault).code == SIGKILL
    assert [name for name in training.checkpoints() if name.startswith("step-")] == [f"step-{n:08d}" for n in left]
    again = training.run()
    again.succeeded()
    assert ("goes on from step" in again.out) == bool(left)
    assert not left or f"goes on from step {left[-1]}/12" in again.out
    assert "died here" in again.out
    assert_same(training.result, reference)


@pytest.mark.parametrize(
    "publishing",
    [
        pytest.param(lambda result: Renaming(result, kill), id="result not renamed", marks=thorough),
        pytest.param(lambda result: Renaming(result, kill, done=True), id="result there"),
    ],
)
def test_killed_while_publishing(publishing, training, reference):
    assert training.run(publishing(training.job.id)).code == SIGKILL
    training.run().succeeded()
    assert_same(training.result, reference)
    assert [file.name for file in training.result.parent.iterdir()] == [training.job.id], "something is left over"


def test_a_result_that_is_lost_before_it_is_used_is_there_again_at_once(training, reference):
    """As when a workflow is killed between the end of a job and its own note of that."""
    training.run().succeeded()
    shutil.rmtree(training.result)
    again = training.run()
    again.succeeded()
    assert "step 12/12 " not in again.out
    assert_same(training.result, reference)


@thorough
def test_killed_from_outside_when_the_log_shows_a_step(training, reference):
    running = training.start(AtStep(11, hold))  # lest it ends first
    running.until(lambda: "step 4/12" in running.said(), "it says that step 4 is done")
    running.kill()
    assert running.end(struck=False).code == SIGKILL
    training.run().succeeded()
    assert_same(training.result, reference)


@thorough
@pytest.mark.parametrize("seed", range(3))
def test_killed_again_and_again_at_any_moment(seed, training, reference):
    moments = random.Random(seed)
    for _ in range(4):
        running = training.start()
        running.until(lambda: any(training.run_folder.glob("owner-*.json")), "it owns its folder")
        time.sleep(moments.uniform(0, 1))
        running.kill()
        running.end()
    training.run().succeeded()
    assert_same(training.result, reference)


@thorough
def test_loader_workers_end_with_a_killed_training(training, reference):
    training.set("hardware", workers=2)
    running = training.start(AtStep(6, hold))
    running.until_struck()
    workers = running.children()
    assert len(workers) == 2
    running.kill()
    for worker in workers:
        wait_for(lambda worker=worker: is_dead(worker), f"worker {worker} ends", timeout=10)
    training.run().succeeded()
    assert_same(training.result, reference)
