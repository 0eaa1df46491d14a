"""What a run folder lets in, keeps and refuses."""

import json
import os
from types import SimpleNamespace

import pytest
import torch

from pqgan.engine.run_folder import RunFolder, on_first, open_run, settle
from pqgan.errors import DataError, NumericalError, ResourceError, SettingsError
from pqgan.storage import checkpoint

IDENTITY = {"settings": "a" * 64, "data": "b" * 64}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "runs/smoke/tokenizer/f8"


def fail(fabric, path, message="step 7: not finite: l1 (nan)", identity=IDENTITY):
    with open_run(fabric, path, identity):
        raise NumericalError(message)


def test_it_is_owned_within_the_block_and_free_after(fabric, path):
    with open_run(fabric, path, IDENTITY) as run:
        assert [file.name for file in path.glob("owner-*.json")] == ["owner-1.json"]
        with pytest.raises(ResourceError, match="in use by process"), open_run(fabric, path, IDENTITY):
            pass
        assert [file.name for file in path.glob("owner-*.json")] == ["owner-1.json"]
    assert sorted(os.listdir(path)) == ["checkpoints"]
    assert run.checkpoints.is_dir()


def test_any_error_frees_it_and_only_a_numerical_one_is_kept(fabric, path):
    def other():
        with open_run(fabric, path, IDENTITY):
            raise ResourceError("disk full")

    with pytest.raises(ResourceError, match="disk full"):
        other()
    assert sorted(os.listdir(path)) == ["checkpoints"]
    with pytest.raises(NumericalError):
        fail(fabric, path)
    assert sorted(os.listdir(path)) == ["FAILED.json", "checkpoints"]


def test_a_known_failure_is_refused_at_once_with_how_to_go_on(fabric, path):
    with pytest.raises(NumericalError):
        fail(fabric, path)
    entered = []

    def again():
        with open_run(fabric, path, IDENTITY):
            entered.append(True)

    for _ in range(2):
        with pytest.raises(NumericalError) as caught:
            again()
    message = str(caught.value)
    assert message.startswith("step 7: not finite: l1 (nan) [found by an earlier run")
    assert f"change them, or delete {path / 'FAILED.json'} to try all the same" in message
    assert message.count("[") == 1
    assert not entered
    assert not list(path.glob("owner-*.json"))
    (path / "FAILED.json").unlink()
    again()
    assert entered


@pytest.mark.parametrize("changed", ["settings", "data"])
def test_a_failure_of_other_settings_or_data_is_ignored(fabric, path, changed):
    with pytest.raises(NumericalError):
        fail(fabric, path, identity={**IDENTITY, changed: "c" * 64})
    with open_run(fabric, path, IDENTITY):
        pass
    with pytest.raises(NumericalError, match="step 9"):
        fail(fabric, path, "step 9: not finite")
    assert json.loads((path / "FAILED.json").read_text()) == {"identity": IDENTITY, "message": "step 9: not finite"}


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"identity": 1'])
def test_a_failure_that_cannot_be_read_is_no_leave_to_start(fabric, path, content):
    path.mkdir(parents=True)
    (path / "FAILED.json").write_text(content)
    with pytest.raises(NumericalError, match=r"not readable .*FAILED\.json"), open_run(fabric, path, IDENTITY):
        pass


def test_a_folder_that_cannot_be_made_names_the_option(fabric, tmp_path):
    (tmp_path / "runs").write_text("a file")
    with pytest.raises(ResourceError, match=r"cannot be created: .*; choose another folder with --run"):
        fail(fabric, tmp_path / "runs/f8")


def write(run: RunFolder, step: int, identity=IDENTITY) -> None:
    checkpoint.write(run.checkpoints, step, {"weight": torch.ones(2)}, identity, b"")


def test_nothing_to_resume_at_the_start(path):
    assert RunFolder(path, IDENTITY).resume() is None


@pytest.mark.parametrize("changed", ["settings", "data"])
def test_a_checkpoint_of_other_settings_or_data_is_refused(path, changed):
    run = RunFolder(path, IDENTITY)
    write(run, 5, {**IDENTITY, changed: "c" * 64})
    with pytest.raises(SettingsError) as caught:
        run.resume()
    message = str(caught.value)
    assert f"step-00000005: was trained with {changed} {'c' * 64}, this run has {IDENTITY[changed]}" in message
    assert "restore them, or choose another folder with --run" in message
    assert (run.checkpoints / "step-00000005").is_dir()


def test_a_damaged_checkpoint_is_passed_over_aloud(path, capsys):
    run = RunFolder(path, IDENTITY)
    write(run, 3)
    write(run, 6)
    (run.checkpoints / "step-00000006/SHA256SUMS").unlink()
    assert run.resume().step == 3
    line = f"{run.checkpoints}: passed over: step-00000006: has no readable SHA256SUMS\n"
    assert capsys.readouterr().out == line
    (run.checkpoints / "step-00000003/SHA256SUMS").unlink()
    with pytest.raises(DataError, match="none of 1 checkpoints is whole"):
        run.resume()


def test_saving_prunes_and_holds_the_log_so_far(toy, path):
    run, state = RunFolder(path, IDENTITY), toy().state
    run.checkpoints.mkdir(parents=True)
    for step in (1, 2, 3):
        state.step = step
        run.log.write_text(f"line {step}\n")
        run.save(state, keep=2)
    assert sorted(os.listdir(run.checkpoints)) == ["step-00000002", "step-00000003"]
    found = run.resume()
    assert (found.step, found.log(), found.identity) == (3, b"line 3\n", IDENTITY)
    (path / "owner-1.json").touch()
    settle(path)
    assert sorted(os.listdir(run.checkpoints)) == ["step-00000002", "step-00000003"]  # somebody is at it
    (path / "owner-1.json").unlink()
    settle(path)
    settle(path)  # as another job that was given the result
    assert os.listdir(path) == ["train.jsonl"]


def test_weights_that_are_not_finite_are_not_saved_and_the_older_ones_stay(toy, path):
    run, state = RunFolder(path, IDENTITY), toy().state
    run.checkpoints.mkdir(parents=True)
    run.log.touch()
    for step in (1, 2):
        state.step = step
        run.save(state, keep=2)
    with torch.no_grad():
        state.modules["critic"].bias.fill_(float("nan"))
    state.step = 3
    with pytest.raises(NumericalError, match="modules/critic/bias"):
        run.save(state, keep=2)
    assert sorted(os.listdir(run.checkpoints)) == ["step-00000001", "step-00000002"]


def test_a_takeover_is_said(fabric, path, capsys):
    path.mkdir(parents=True)
    with open_run(fabric, path, IDENTITY):
        left = json.loads((path / "owner-1.json").read_text())
    (path / "owner-1.json").write_text(json.dumps({**left, "pid": 2**22 + 1}))
    with open_run(fabric, path, IDENTITY):
        pass
    assert f"process {2**22 + 1} on {left['host']} died here; going on" in capsys.readouterr().out


class Several:
    """One of two processes, joined by what the first sends."""

    world_size = 2

    def __init__(self, first: bool, sent: list):
        self.is_global_zero, self.sent = first, sent

    def broadcast(self, outcome):
        if self.is_global_zero:
            self.sent.append(outcome)
        return self.sent[-1]


def test_what_the_first_process_makes_or_raises_reaches_all():
    sent, made = [], []

    def make():
        made.append(True)
        return "made"

    assert on_first(Several(True, sent), make) == on_first(Several(False, sent), make) == "made"
    assert made == [True]

    def refuse():
        raise DataError("damaged")

    with pytest.raises(DataError, match="damaged"):
        on_first(Several(True, sent), refuse)
    with pytest.raises(SystemExit) as left:
        on_first(Several(False, sent), refuse)
    assert left.value.code == 0


def test_without_others_nothing_is_sent():
    alone = SimpleNamespace(is_global_zero=True, world_size=1)
    assert on_first(alone, lambda: 3) == 3


def test_a_process_that_was_taken_over_saves_nothing(fabric, path, toy):
    def frozen():
        with open_run(fabric, path, IDENTITY) as run:
            run.owner.file.unlink()  # as the process that takes over does
            run.log.write_bytes(b"")
            run.save(toy().state, 2)

    with pytest.raises(ResourceError, match="another process took over"):
        frozen()
    assert not list((path / "checkpoints").iterdir())
