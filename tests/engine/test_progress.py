"""What a training says: lines, bar, train.jsonl, TensorBoard."""

import json
import os
import sys

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from pqgan.engine import progress as module
from pqgan.engine.progress import Progress
from pqgan.engine.run_folder import RunFolder
from pqgan.engine.state import TrainingState


@pytest.fixture
def run(tmp_path):
    return RunFolder(tmp_path, {})


@pytest.fixture
def terminal(monkeypatch):
    def say(there: bool) -> None:
        monkeypatch.setattr(sys.stderr, "isatty", lambda: there, raising=False)

    say(False)
    return say


def follow(fabric, run, losses, *, state=None, steps=None, log_every=2, log=b"", images=4, pictures=()):
    """Run through updates that are lists of {name: value}, one dict an optimiser call."""
    state = state or TrainingState({}, {})
    steps = steps or len(losses)
    with Progress(fabric, state, run, name="toy", steps=steps, log_every=log_every, log=log) as progress:
        for updates in losses:
            for update in updates:
                progress.add({name: torch.tensor(value) for name, value in update.items()})
            state.step += 1
            progress.step(images, {"generator": 0.5 / state.step})
            if state.step in pictures:
                progress.pictures(lambda: {"reconstructions": torch.full((3, 4, 6), state.step, dtype=torch.uint8)})
    return state


def read(run: RunFolder) -> list[dict]:
    return [json.loads(line) for line in run.log.read_text().splitlines()]


def board(run: RunFolder) -> EventAccumulator:
    events = EventAccumulator(str(run.tensorboard), size_guidance={"images": 0, "scalars": 0})
    events.Reload()
    return events


def scalars(run: RunFolder, tag: str) -> list[tuple[int, float]]:
    return [(event.step, event.value) for event in board(run).Scalars(tag)]


def test_a_line_holds_means_since_the_one_before_and_the_last_step_has_one(fabric, run, terminal):
    follow(fabric, run, [[{"loss": value, "other": 1.0}] for value in (1.0, 2.0, 3.0, 4.0, 5.0)])
    lines = read(run)
    assert [(line["step"], line["loss"], line["other"]) for line in lines] == [(2, 1.5, 1), (4, 3.5, 1), (5, 5, 1)]
    assert [line["learning_rate/generator"] for line in lines] == [0.25, 0.125, 0.1]
    assert all(line["seconds"] >= 0 and line["images_per_second"] > 0 for line in lines)
    assert list(lines[0]) == ["step", "loss", "other", "learning_rate/generator", "images_per_second", "seconds"]


def test_a_loss_that_appears_within_a_window_is_averaged_over_its_own_updates(fabric, run, terminal):
    follow(
        fabric,
        run,
        [
            [{"loss": 1.0}],
            [{"loss": 2.0}, {"critic": 10.0}],
            [{"loss": 6.0}, {"critic": 20.0}],
            [{"loss": 1.0}, {"critic": 1.0}],
        ],
        log_every=3,
    )
    first, second = read(run)
    assert (first["loss"], first["critic"]) == (3.0, 15.0)
    assert (second["loss"], second["critic"]) == (1.0, 1.0)


def test_a_loss_of_two_updates_a_step_counts_twice(fabric, run, terminal):
    follow(fabric, run, [[{"loss": 1.0}, {"loss": 3.0}], [{"loss": 5.0}, {"loss": 7.0}]])
    assert read(run)[0]["loss"] == 4.0


def test_means_keep_the_digits_that_fp32_sums_would_lose(fabric, run, terminal):
    follow(fabric, run, [[{"loss": 16777216.0}], [{"loss": 1.0}], [{"loss": 1.0}]], log_every=3)
    assert read(run)[0]["loss"] == 16777218 / 3


def test_means_of_a_window_that_was_cut_are_in_the_state(fabric, run, terminal):
    losses = [[{"loss": value}] for value in (1.0, 2.0, 6.0)]
    state = follow(fabric, run, losses[:2], steps=3, log_every=3)
    assert read(run) == []
    carried = TrainingState({}, {})
    carried.load(state.tensors(), 2)
    follow(fabric, run, losses[2:], state=carried, steps=3, log_every=3)
    assert [(line["step"], line["loss"]) for line in read(run)] == [(3, 3.0)]


def test_the_log_is_what_the_checkpoint_held(fabric, run, terminal):
    """Lines after the checkpoint were written by updates that are made again."""
    follow(fabric, run, [[{"loss": 1.0}]] * 4)
    early = run.log.read_bytes().splitlines(keepends=True)[0]
    state = TrainingState({}, {})
    state.step = 2
    follow(fabric, run, [[{"loss": 7.0}]] * 2, state=state, steps=4, log=early)
    assert [(line["step"], line["loss"]) for line in read(run)] == [(2, 1.0), (4, 7.0)]
    assert run.log.read_bytes().startswith(early)


def test_without_a_terminal_there_are_plain_lines(fabric, run, terminal, capsys):
    follow(fabric, run, [[{"loss": 0.25}]] * 4, steps=8)
    state = TrainingState({}, {})
    state.step = 4
    follow(fabric, run, [[{"loss": 0.5}]] * 4, state=state, steps=8)
    said = capsys.readouterr()
    first, second, on, *rest = said.out.splitlines()
    assert first.startswith("toy step 2/8 loss=0.25 ")
    assert second.startswith("toy step 4/8 loss=0.25 ")
    assert first.endswith(" left")
    assert " images/s, " in first
    assert on == "toy goes on from step 4/8"
    assert [line.split(" images/s")[0].rsplit(" ", 1)[0] for line in rest] == [
        "toy step 6/8 loss=0.5",
        "toy step 8/8 loss=0.5",
    ]
    assert said.err == ""


def test_a_terminal_has_a_bar_with_step_speed_and_losses(fabric, run, terminal, capsys):
    terminal(True)
    follow(fabric, run, [[{"loss": 0.25}]] * 4)
    said = capsys.readouterr()
    assert said.out == ""
    assert "toy: 100%" in said.err
    assert "4/4" in said.err
    assert "loss=0.25" in said.err
    assert "images/s" in said.err


def test_what_is_left_is_reckoned_from_the_updates_that_the_line_covers(fabric, run, terminal, capsys, monkeypatch):
    """The first line after going on covers fewer than the others."""
    clock = iter(range(0, 1000, 10))
    monkeypatch.setattr(module.time, "perf_counter", lambda: float(next(clock)))
    state = TrainingState({}, {})
    state.step = 3
    follow(fabric, run, [[{"loss": 1.0}]], state=state, steps=104, log_every=4)
    assert read(run)[0]["seconds"] == 10
    assert read(run)[0]["images_per_second"] == 0.4
    assert capsys.readouterr().out.endswith(" 0.4 images/s, 16:40 left\n")


def test_tensorboard_has_scalars_and_pictures(fabric, run, terminal):
    follow(fabric, run, [[{"loss": value}] for value in (1.0, 2.0, 3.0, 5.0)], pictures=(2, 4))
    events = board(run)
    assert set(events.Tags()["scalars"]) == {"loss/loss", "learning_rate/generator", "speed/images_per_second"}
    assert scalars(run, "loss/loss") == [(2, 1.5), (4, 4.0)]
    assert scalars(run, "learning_rate/generator") == [(2, 0.25), (4, 0.125)]
    pictures = events.Images("reconstructions")
    assert [(event.step, event.height, event.width) for event in pictures] == [(2, 4, 6), (4, 4, 6)]
    assert pictures[0].encoded_image_string.startswith(b"\x89PNG")


@pytest.fixture
def first_of_its_process(monkeypatch):
    """TensorBoard numbers a process's files, and reads those of one second in the order of their names: 10 before 9."""
    from tensorboard.summary.writer import event_file_writer

    monkeypatch.setattr(event_file_writer, "_global_uid", event_file_writer.AtomicCounter(0))


def test_going_on_purges_what_is_made_again(fabric, run, terminal, first_of_its_process):
    follow(fabric, run, [[{"loss": 1.0}]] * 6, steps=8, pictures=(2, 4, 6))
    state = TrainingState({}, {})
    state.step = 3
    follow(fabric, run, [[{"loss": 9.0}]] * 5, state=state, steps=8, pictures=(4, 8))
    assert scalars(run, "loss/loss") == [(2, 1.0), (4, 9.0), (6, 9.0), (8, 9.0)]
    assert [event.step for event in board(run).Images("reconstructions")] == [2, 4, 8]


def test_from_the_start_again_nothing_of_before_is_left(fabric, run, terminal, first_of_its_process):
    follow(fabric, run, [[{"loss": 1.0}]] * 4)
    follow(fabric, run, [[{"loss": 9.0}]] * 2, steps=4)
    assert scalars(run, "loss/loss") == [(2, 9.0)]
    assert [line["step"] for line in read(run)] == [2]


class Several:
    """One of two processes whose other one's sums are all zero."""

    world_size = 2

    def __init__(self, first: bool):
        self.is_global_zero, self.shared = first, []

    def all_reduce(self, tensor: torch.Tensor, reduce_op: str) -> torch.Tensor:
        assert reduce_op == "mean"
        self.shared.append(tensor.tolist())
        return torch.stack([tensor, torch.tensor([0.0, tensor[1]], dtype=tensor.dtype)]).mean(dim=0)


def test_processes_log_their_common_mean_and_only_the_first_writes(run, terminal, capsys):
    losses = [[{"b": 2.0, "a": 1.0}], [{"b": 4.0, "a": 1.0}]]
    other = Several(first=False)
    follow(other, run, losses)
    assert not run.log.exists()
    assert not run.tensorboard.exists()
    assert capsys.readouterr().out == ""
    # every process in the same order, or they would wait for one another
    assert other.shared == [[2.0, 2.0], [6.0, 2.0]]
    follow(Several(first=True), run, losses)
    assert [(line["a"], line["b"]) for line in read(run)] == [(0.5, 1.5)]


def test_files_are_closed_whatever_ends_it(fabric, run, terminal):
    def fail():
        with Progress(fabric, TrainingState({}, {}), run, name="toy", steps=4, log_every=1, log=b"") as progress:
            files.append(progress._log)
            raise KeyError

    files = []
    with pytest.raises(KeyError):
        fail()
    assert files[0].closed
    assert len(os.listdir(run.tensorboard)) == 1


def test_the_seconds_of_a_line_are_those_of_all_attempts_and_the_speed_is_of_this_one(fabric, run, monkeypatch):
    clock = iter(range(0, 1000, 10))
    monkeypatch.setattr(module.time, "perf_counter", lambda: float(next(clock)))
    state = TrainingState({}, {})
    state.step, state.seconds = 1, 100.0
    follow(fabric, run, [[{"loss": 1.0}], [{"loss": 1.0}]], state=state, steps=8, log_every=3)
    (line,) = read(run)
    assert line["seconds"] == 120
    assert line["images_per_second"] == 0.4
    assert state.seconds == 0
