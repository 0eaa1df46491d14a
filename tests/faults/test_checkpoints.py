"""Damaged checkpoints, and those of another training."""

import hashlib
import shutil
from pathlib import Path

import pytest
import torch
from fault_kinds import MakeFile
from fault_sameness import assert_same, snapshot
from whole_plan import whole_plan

from pqgan.data.prepare import run as prepare
from pqgan.settings import load

STATE, SUMS = "state.safetensors", "SHA256SUMS"
thorough = pytest.mark.thorough


def empty(checkpoint: Path) -> None:
    for file in checkpoint.iterdir():
        file.unlink()


def empty_state(checkpoint: Path) -> None:
    (checkpoint / STATE).write_bytes(b"")


def truncated(checkpoint: Path) -> None:
    content = (checkpoint / STATE).read_bytes()
    (checkpoint / STATE).write_bytes(content[: len(content) // 2])


def bit_flipped(checkpoint: Path) -> None:
    content = bytearray((checkpoint / STATE).read_bytes())
    content[-1000] ^= 1
    (checkpoint / STATE).write_bytes(content)


def log_bit_flipped(checkpoint: Path) -> None:
    content = bytearray((checkpoint / "train.jsonl").read_bytes())
    content[-10] ^= 1
    (checkpoint / "train.jsonl").write_bytes(content)


def without_sums(checkpoint: Path) -> None:
    (checkpoint / SUMS).unlink()


def without_state(checkpoint: Path) -> None:
    (checkpoint / STATE).unlink()


def binary_sums(checkpoint: Path) -> None:
    (checkpoint / SUMS).write_bytes(bytes(range(128, 256)))


def pickled(checkpoint: Path, payload: Path) -> None:
    torch.save({"modules": MakeFile(payload)}, checkpoint / STATE)
    with_valid_sums(checkpoint)


def of_another_step(checkpoint: Path) -> None:
    (checkpoint / STATE).write_bytes((checkpoint.with_name("step-00000006") / STATE).read_bytes())
    with_valid_sums(checkpoint)


def with_valid_sums(checkpoint: Path) -> None:
    lines = [
        f"{hashlib.sha256((checkpoint / name).read_bytes()).hexdigest()}  {name}\n" for name in (STATE, "train.jsonl")
    ]
    (checkpoint / SUMS).write_text("".join(lines))


DAMAGES = [
    (bit_flipped, "sha256 of state.safetensors"),
    pytest.param(empty, "has no readable SHA256SUMS", marks=thorough),
    pytest.param(empty_state, "sha256 of state.safetensors", marks=thorough),
    pytest.param(truncated, "sha256 of state.safetensors", marks=thorough),
    pytest.param(log_bit_flipped, "sha256 of train.jsonl", marks=thorough),
    pytest.param(without_sums, "has no readable SHA256SUMS", marks=thorough),
    pytest.param(binary_sums, "has no readable SHA256SUMS", marks=thorough),
    pytest.param(without_state, "has no state.safetensors", marks=thorough),
    pytest.param(of_another_step, "holds step 6", marks=thorough),
]


@pytest.mark.parametrize(("damage", "said"), DAMAGES)
def test_a_damaged_checkpoint_is_passed_over(damage, said, interrupted, reference):
    checkpoints = interrupted.run_folder / "checkpoints"
    damage(checkpoints / "step-00000007")
    ended = interrupted.run()
    ended.succeeded()
    (line,) = [line for line in ended.out.splitlines() if "passed over" in line]
    assert f"passed over: step-00000007: {said}" in line
    assert "goes on from step 6/12" in ended.out
    assert_same(interrupted.result, reference)


def test_a_pickle_is_never_loaded(interrupted, reference):
    payload = interrupted.folder / "payload"
    checkpoint = interrupted.run_folder / "checkpoints/step-00000007"
    pickled(checkpoint, payload)
    kept = shutil.copy(checkpoint / STATE, interrupted.folder)
    ended = interrupted.run()
    ended.succeeded()
    assert "passed over: step-00000007: state.safetensors is no checkpoint" in ended.out
    assert_same(interrupted.result, reference)
    assert not payload.exists()
    torch.load(kept, weights_only=False)
    assert payload.exists(), "it was no payload at all"


def test_where_no_checkpoint_is_whole_nothing_is_touched(interrupted):
    for checkpoint in (interrupted.run_folder / "checkpoints").iterdir():
        truncated(checkpoint)
    before = snapshot(interrupted.run_folder)
    ended = interrupted.run()
    ended.failed(3, "none of 2 checkpoints is whole", "step-00000006", "step-00000007", "delete the folder")
    assert snapshot(interrupted.run_folder) == before
    assert "step" not in ended.out
    assert not interrupted.result.exists()


@pytest.mark.parametrize("what", ["settings", pytest.param("data", marks=thorough)])
def test_checkpoints_of_another_training_are_refused(what, trainings, interrupted):
    before = snapshot(interrupted.run_folder)
    other = trainings()
    if what == "settings":
        other.name = "f8-d16-S8-K64"
    else:
        plan = whole_plan(load(other.folder / "params.yaml", None))
        prepare(plan.settings, plan.job("data", "val"), out=other.folder / "data")
        other.inputs = {"data": other.folder / "data"}
    # elsewhere than at the planned address, where other data are refused by themselves
    ended = other.run(more=["--run", interrupted.run_folder, "--out", other.folder / "elsewhere"])
    ended.failed(2, f"was trained with {what}", "--run")
    assert not (other.folder / "elsewhere").exists()
    assert snapshot(interrupted.run_folder) == before
    assert not other.run_folder.exists()
    assert not other.result.exists()
