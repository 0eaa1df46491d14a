"""The loop: updates in order, checkpoints on time, resuming to the bit, stopping on request."""

import json
import os
import signal
import threading
from types import SimpleNamespace

import pytest
import torch

from pqgan.engine.loop import Update, _apply
from pqgan.errors import Stopped


class Killed(BaseException):
    """Stands for a process that ends without another word."""


def kill_at(number: int):
    def before(now: int) -> None:
        if now == number:
            raise Killed

    return before


def lines(folder) -> list[dict]:
    """Lines of train.jsonl without times."""
    parsed = [json.loads(line) for line in (folder / "train.jsonl").read_text().splitlines()]
    return [{key: value for key, value in line.items() if "second" not in key} for line in parsed]


@pytest.fixture
def undisturbed(toy, upkeep, tmp_path):
    """State and log of a run that nothing disturbed."""
    made = toy()
    made.train(tmp_path / "undisturbed", upkeep)
    return made, lines(tmp_path / "undisturbed")


def test_updates_of_a_step_run_in_order_and_what_follows_a_yield_runs_after(toy, upkeep, tmp_path, monkeypatch):
    made = toy(steps=5)
    for name, optimiser in made.state.optimisers.items():
        step = optimiser.step

        def note(step=step, name=name):
            made.order.append(name)
            step()

        monkeypatch.setattr(optimiser, "step", note)
    made.train(tmp_path, upkeep)
    assert made.order == ["generator", "moved"] * 3 + ["generator", "moved", "critic"] * 2
    assert made.average.n_averaged == 5


def test_gradients_that_another_loss_left_behind_are_forgotten(fabric, toy):
    made = toy()
    made.critic.bias.grad = torch.full_like(made.critic.bias, 100.0)
    loss = made.wrapped["critic"](torch.ones(1, 2)).sum()
    _apply(fabric, made.state.optimisers["critic"], Update("critic", loss, {"critic": loss}), 0)
    assert made.critic.bias.grad.item() == 1


@pytest.mark.parametrize(("every", "expected"), [(3, [9, 10]), (5, [5, 10]), (100, [10])])
def test_checkpoints_come_on_time_and_at_the_end(toy, upkeep, tmp_path, saved, every, expected):
    made, seen = toy(), []
    made.train(
        tmp_path, upkeep.model_copy(update={"checkpoint_every": every}), then=lambda run: seen.append(saved(run.path))
    )
    assert seen == [expected]


@pytest.mark.parametrize("at", range(1, 10))
def test_a_killed_run_goes_on_to_the_same_bits_and_the_same_log(toy, upkeep, tmp_path, saved, undisturbed, at):
    """At every step: before the first checkpoint, at one, after one; windows of the log cut anywhere."""
    expected, log = undisturbed
    folder = tmp_path / "run"
    with pytest.raises(Killed):
        toy(before=kill_at(at)).train(folder, upkeep)
    assert saved(folder) == [step for step in (3, 6, 9) if step <= at][-2:]
    again, begun = toy(), []
    again.before = begun.append
    again.train(folder, upkeep)
    assert begun[0] == at - at % 3
    assert again.state.sha256() == expected.state.sha256()
    assert lines(folder) == log


def test_several_kills_in_one_run(toy, upkeep, tmp_path, undisturbed):
    expected, log = undisturbed
    for at in (4, 5, 7, 8):
        with pytest.raises(Killed):
            toy(before=kill_at(at)).train(tmp_path / "run", upkeep)
    again = toy()
    again.train(tmp_path / "run", upkeep)
    assert again.state.sha256() == expected.state.sha256()
    assert lines(tmp_path / "run") == log


def test_a_finished_run_that_was_not_published_has_nothing_left_to_do(toy, upkeep, tmp_path, undisturbed):
    expected, log = undisturbed
    again, begun = toy(before=lambda number: begun.append(number)), []
    again.train(tmp_path / "undisturbed", upkeep)
    assert begun == []
    assert again.state.sha256() == expected.state.sha256()
    assert lines(tmp_path / "undisturbed") == log


def test_a_damaged_newest_checkpoint_costs_the_steps_since_the_one_before(toy, upkeep, tmp_path, undisturbed):
    expected, log = undisturbed
    folder = tmp_path / "run"
    with pytest.raises(Killed):
        toy(before=kill_at(8)).train(folder, upkeep)
    state = folder / "checkpoints/step-00000006/state.safetensors"
    content = bytearray(state.read_bytes())
    content[-1] ^= 1
    state.write_bytes(content)
    again, begun = toy(), []
    again.before = begun.append
    again.train(folder, upkeep)
    assert begun[0] == 3
    assert again.state.sha256() == expected.state.sha256()
    assert lines(folder) == log


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1, signal.SIGINT])
def test_a_signal_lets_the_step_finish_saves_and_says_how_to_go_on(toy, upkeep, tmp_path, saved, undisturbed, number):
    expected, log = undisturbed
    folder, before = tmp_path / "run", signal.getsignal(number)

    def ask(now):
        if now == 4:
            os.kill(os.getpid(), number)

    made = toy(before=ask)
    with pytest.raises(Stopped) as caught:
        made.train(folder, upkeep)
    name = signal.Signals(number).name
    assert str(caught.value) == (
        f"{name} at step 5/10: stopped and saved in {folder / 'checkpoints'}; the same command goes on from there"
    )
    assert made.state.step == 5
    assert saved(folder) == [3, 5]
    assert not list(folder.glob("owner-*.json"))
    assert not (folder / "FAILED.json").exists()
    assert signal.getsignal(number) == before
    again = toy()
    again.train(folder, upkeep)
    assert again.state.sha256() == expected.state.sha256()
    assert lines(folder) == log


def test_a_signal_to_another_process_stops_this_one_too(toy, upkeep, tmp_path, fabric, monkeypatch):
    from pqgan.engine import loop

    monkeypatch.setattr(loop, "_asked", lambda fabric, stop: True)
    with pytest.raises(Stopped, match="a signal to another process at step 1/10"):
        toy().train(tmp_path, upkeep)


def test_training_starts_no_thread_that_outlives_it(toy, upkeep, tmp_path):
    before = set(threading.enumerate())
    toy(steps=3).train(tmp_path, upkeep)
    left = [thread for thread in set(threading.enumerate()) - before if not thread.daemon]
    assert left == []


def test_pictures_come_on_time_and_at_the_end(toy, upkeep, tmp_path):
    made, seen = toy(), []

    def pictures():
        seen.append(made.state.step)
        return {"toy": torch.zeros(3, 4, 4, dtype=torch.uint8)}

    made.train(tmp_path, upkeep, pictures=pictures)
    assert seen == [4, 8, 10]


def test_images_of_all_processes_count(toy, upkeep, tmp_path):
    made = toy(steps=4)
    seen = SimpleNamespace(images=0, seconds=0.0)
    made.train(tmp_path, upkeep, log_every=2)
    for line in (tmp_path / "train.jsonl").read_text().splitlines():
        line = json.loads(line)
        seen.images += line["images_per_second"] * line["seconds"]
    assert seen.images == pytest.approx(16, rel=0.02)
