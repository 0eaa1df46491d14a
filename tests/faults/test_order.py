"""What the other tests stand on: undisturbed trainings are equal, bit by bit."""

import pytest
from fault_sameness import assert_same


def test_a_second_run_is_the_same(training, reference):
    training.run().succeeded()
    assert_same(training.result, reference)


@pytest.mark.thorough
def test_loader_workers_change_nothing(training, reference):
    training.set("hardware", workers=2)
    training.run().succeeded()
    assert_same(training.result, reference)
