"""The test of the tests: a checkpoint without any one part of the state must fail the suite."""

import pytest
from fault_kinds import LeaveOut
from fault_points import AtStep, terminate
from fault_sameness import assert_same
from safetensors import safe_open

STOP = {"tokenizer": 6, "ldm": 4}
PARTS = {
    "tokenizer": [
        "step",
        "means",
        "modules/generator",
        "modules/discriminator",
        "optimisers/generator",
        "optimisers/discriminator",
    ],
    "ldm": ["step", "means", "modules/denoiser", "modules/ema", "optimisers/denoiser"],
}
BUFFERS = [
    ("tokenizer", "modules/discriminator/3.running_mean"),
    ("tokenizer", "modules/discriminator/3.num_batches_tracked"),
    ("ldm", "modules/ema/n_averaged"),
]
TIMES = {"seconds"}
"""Of no two runs alike; tests/faults/test_signals.py looks at them."""
QUICK = [("tokenizer", "optimisers/generator"), ("ldm", "modules/ema")]
CASES = [(chapter, part) for chapter, parts in PARTS.items() for part in parts] + BUFFERS


@pytest.fixture(params=PARTS)
def chapter(request) -> str:
    return request.param


@pytest.fixture
def undisturbed(chapter, request):
    return request.getfixturevalue("reference" if chapter == "tokenizer" else "ldm_reference")


def stop_and_go_on(training, *faults) -> None:
    training.run(AtStep(STOP[training.chapter], terminate), *faults).failed(75, "stopped and saved")
    training.run(*faults).succeeded()


@pytest.mark.parametrize(
    ("chapter", "part"),
    [pytest.param(*case, marks=[] if case in QUICK else pytest.mark.thorough) for case in CASES],
    indirect=["chapter"],
)
def test_without_a_part_the_result_is_another(chapter, part, trainings, undisturbed):
    training = trainings(chapter)
    stop_and_go_on(training, LeaveOut(part))
    with pytest.raises(AssertionError, match="not the same log" if part == "means" else "not the same state"):
        assert_same(training.result, undisturbed)


@pytest.mark.thorough
def test_every_part_is_tried(chapter, trainings):
    training = trainings(chapter)
    training.run(AtStep(STOP[chapter], terminate)).failed(75)
    with safe_open(training.run_folder / f"checkpoints/step-{STOP[chapter] + 1:08d}/state.safetensors", "pt") as state:
        names = state.keys()
    found = {"/".join(name.split("/")[: 1 if name.startswith("means/") else 2]) for name in names}
    assert (found | {"step"}) - TIMES == set(PARTS[chapter])
    assert {part for where, part in BUFFERS if where == chapter} <= set(names)
