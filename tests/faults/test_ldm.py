"""A latent diffusion model, with its moving average: interrupted and equal all the same."""

import pytest
from fault_points import AtStep, WritingState, kill, terminate
from fault_sameness import assert_same

from pqgan.storage import checkpoint


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (AtStep(4, kill), -9),
        pytest.param(AtStep(4, terminate), 75, marks=pytest.mark.thorough),
        pytest.param(WritingState(6, kill), -9, marks=pytest.mark.thorough),
    ],
    ids=["killed", "stopped", "killed in a save"],
)
def test_an_interrupted_ldm_is_the_same(fault, code, trainings, ldm_reference):
    training = trainings("ldm")
    assert training.run(fault).code == code
    (newest, wrong) = checkpoint.newest(training.run_folder / "checkpoints")
    assert not wrong
    assert any(name.startswith("modules/ema/") for name in newest.tensors())
    training.run().succeeded()
    assert_same(training.result, ldm_reference)


@pytest.mark.thorough
def test_a_second_run_is_the_same(trainings, ldm_reference):
    training = trainings("ldm")
    training.run().succeeded()
    assert_same(training.result, ldm_reference)
