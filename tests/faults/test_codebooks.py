"""A training that starts its codebooks from k-means and revives codewords, killed between two revivals."""

import os
from pathlib import Path

import pytest
from fault_kinds import LeaveOut
from fault_points import AtStep, kill
from fault_sameness import assert_same

UPKEEP = {
    "codebook": {"kmeans_images": 8, "revive_after": 4},
    # as the other trainings here, and one of F=16 to be selected; larger codebooks want more images
    "sweep": [{"F": 8, "d": 16, "S": 4, "K": 64}, {"F": 16, "d": 16, "S": 4, "K": 16}],
}


@pytest.fixture
def training(trainings):
    training = trainings()
    training.set("tokenizer", **UPKEEP)
    return training


@pytest.fixture(scope="session")
def undisturbed(make_training, made_once) -> Path:
    def make(folder: Path) -> None:
        training = make_training(folder)
        training.set("tokenizer", **UPKEEP)
        training.run().succeeded()
        os.rename(training.result, folder / "result")

    return made_once("undisturbed-upkeep", make) / "result"


def kill_and_go_on(training, *faults) -> None:
    # after a revival, and when counts of the checkpoint of step 6 decide about the next ones
    assert training.run(AtStep(7, kill), *faults).code == -9
    again = training.run(*faults)
    again.succeeded()
    assert "goes on from step 6/12" in again.out


def test_a_killed_training_revives_the_same_words_by_the_same_vectors(training, undisturbed):
    kill_and_go_on(training)
    assert_same(training.result, undisturbed)
    assert min(line["revived"] for line in training.log()) > 0  # of each four updates


def test_without_the_counts_the_result_is_another(training, undisturbed):
    kill_and_go_on(training, LeaveOut("modules/idle_codes"))
    with pytest.raises(AssertionError, match="not the same state"):
        assert_same(training.result, undisturbed)
