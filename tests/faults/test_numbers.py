"""Numbers that are not finite: named, never in the weights, and not computed again in vain."""

import json
from collections.abc import Callable

import pytest
from fault_kinds import NotFinite
from fault_points import ReadingImages, hang
from fault_sameness import assert_same, snapshot

from pqgan.storage import checkpoint

thorough = pytest.mark.thorough
NAMED = {
    "loss": ["perceptual (nan)", "adaptive_weight (nan)", "total (nan)", "gradient of the generator (nan)"],
    "gradient": ["gradient of the generator (inf)"],
    "discriminator": ["discriminator (nan)", "gradient of the discriminator (nan)"],
}


@pytest.fixture
def failed(training) -> Callable:
    """(what is not finite) -> a training that failed of it in its eighth update."""

    def fail(where: str):
        training.run(NotFinite(where, 7)).failed(4, f"step 8: not finite: {', '.join(NAMED[where])};")
        return training

    return fail


@pytest.mark.parametrize("where", ["loss", pytest.param("gradient", marks=thorough), "discriminator"])
def test_it_is_named_and_does_not_reach_a_checkpoint(where, failed, reference):
    training = failed(where)
    assert training.checkpoints() == ["step-00000003", "step-00000006"]
    last = checkpoint.verify(training.run_folder / "checkpoints/step-00000006")
    assert all(tensor.isfinite().all() for tensor in last.tensors().values() if tensor.is_floating_point())
    assert not training.result.exists()
    assert_not_tried_again(training, NAMED[where][0])
    (training.run_folder / "FAILED.json").unlink()
    again = training.run()
    again.succeeded()
    assert "goes on from step 6/12" in again.out
    assert_same(training.result, reference)


def assert_not_tried_again(training, word: str) -> None:
    """Assert that the same settings end the same way, at once: no image is read, no update done."""
    before = snapshot(training.run_folder)
    running = training.start(ReadingImages(hang))
    ended = running.end(struck=False)
    ended.failed(4, f"step 8: not finite: {word}", "found by an earlier run", "FAILED.json")
    assert not running.struck(), "images were read"
    assert "step" not in ended.out
    assert snapshot(training.run_folder) == before


@thorough
@pytest.mark.parametrize("content", ["", "{}", "[1]", "\x00"])
def test_an_unreadable_note_of_a_failure_stops_too(content, training):
    training.run_folder.mkdir(parents=True)
    (training.run_folder / "FAILED.json").write_text(content)
    training.run().failed(4, "not readable", "FAILED.json")


@thorough
def test_a_failure_of_other_settings_does_not_count(failed, trainings, reference):
    failed_folder = failed("loss").run_folder
    note = json.loads((failed_folder / "FAILED.json").read_text())
    note["identity"]["settings"] = "0" * 64
    (failed_folder / "FAILED.json").write_text(json.dumps(note))
    other = trainings()
    other.run(more=["--run", failed_folder]).succeeded()
    assert_same(other.result, reference)
