"""Worker processes that die or hang; and another number of them after an interruption."""

import pytest
from fault_kinds import LoaderTimeout
from fault_points import AtStep, ReadingImages, hang, kill, terminate
from fault_runs import is_dead, wait_for
from fault_sameness import assert_same

thorough = pytest.mark.thorough


def test_a_killed_worker(training, reference):
    training.set("hardware", workers=2)
    running = training.start(ReadingImages(kill, worker=1, images=6))
    worker = running.until_struck()
    running.end().failed(5, f"hardware.workers: worker {worker} was killed by SIGKILL")
    assert not training.result.exists()
    training.run().succeeded()
    assert_same(training.result, reference)


@thorough
def test_a_hanging_worker(training, reference):
    training.set("hardware", workers=2)
    running = training.start(LoaderTimeout(2), ReadingImages(hang, worker=1, images=6))
    worker = running.until_struck(1)
    workers = running.children()
    assert worker in workers
    running.end().failed(5, "hardware.workers: no batch in 2 s, a worker is stuck")
    for worker in workers:
        wait_for(lambda worker=worker: is_dead(worker), f"worker {worker} ends", timeout=10)
    training.run().succeeded()
    assert_same(training.result, reference)


@pytest.mark.parametrize(("before", "after"), [(0, 2), pytest.param(2, 0, marks=thorough)])
def test_another_number_of_workers_after_an_interruption(before, after, training, reference):
    training.set("hardware", workers=before)
    training.run(AtStep(6, terminate)).failed(75)
    training.set("hardware", workers=after)
    training.run().succeeded()
    assert_same(training.result, reference)
