"""What ends a training against its will: one clear line each, and nothing lost."""

import errno
import json
import resource

import pytest
import torch

from pqgan.engine.loop import Update, _apply
from pqgan.errors import NumericalError, ResourceError

NAN = float("nan")


@pytest.mark.parametrize(
    ("loss", "named"),
    [
        (lambda number, loss: loss * NAN if number == 4 else loss, "gradient of the generator (nan)"),
        # finite itself, with an infinite slope
        (
            lambda number, loss: loss + (loss - loss.detach()).sqrt() if number == 4 else loss,
            "gradient of the generator",
        ),
    ],
    ids=["loss", "gradient"],
)
def test_numbers_that_are_not_finite_never_reach_the_weights(toy, upkeep, tmp_path, saved, loss, named):
    made, before = toy(loss=loss), []

    def keep(number):
        before[:] = [parameter.detach().clone() for parameter in made.generator.parameters()]

    made.before = keep
    with pytest.raises(NumericalError) as caught:
        made.train(tmp_path / "run", upkeep)
    message = str(caught.value)
    assert message.startswith("step 5: not finite: ")
    assert named in message
    assert all(torch.equal(old, new) for old, new in zip(before, made.generator.parameters(), strict=True))
    assert made.state.step == 4
    assert saved(tmp_path / "run") == [3]
    assert json.loads((tmp_path / "run/FAILED.json").read_text())["message"] == message
    # an exact resume would only find it again
    again, begun = toy(loss=loss), []
    again.before = begun.append
    with pytest.raises(NumericalError, match=r"step 5: not finite: .*found by an earlier run"):
        again.train(tmp_path / "run", upkeep)
    assert begun == []


def test_a_loss_for_the_log_alone_is_guarded_too(fabric, toy):
    made = toy()
    weight = made.critic.weight.detach().clone()
    loss = made.wrapped["critic"](torch.ones(1, 2)).sum()
    update = Update("critic", loss, {"critic": loss, "shown": torch.tensor(NAN)})
    with pytest.raises(NumericalError, match=r"step 3: not finite: shown \(nan\);"):
        _apply(fabric, made.state.optimisers["critic"], update, 2)
    assert torch.equal(made.critic.weight, weight)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (
            torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB.\nPages\nof advice"),
            "out of accelerator memory: CUDA out of memory. Tried to allocate 2 GiB.; lower the batch",
        ),
        (MemoryError(), "hardware.mem_mb: out of memory; lower the batch"),
        (
            RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 99 bytes."),
            "hardware.mem_mb: out of memory; lower the batch",
        ),
        (
            RuntimeError("DataLoader worker (pid 7) is killed by signal: Killed. "),
            "hardware.workers: DataLoader worker (pid 7) is killed by signal: Killed; give the job more memory",
        ),
    ],
    ids=["accelerator", "python", "torch", "loader"],
)
def test_what_runs_out_is_one_line(toy, upkeep, tmp_path, saved, error, expected):
    def before(number):
        if number == 4:
            raise error

    with pytest.raises(ResourceError) as caught:
        toy(before=before).train(tmp_path, upkeep)
    assert str(caught.value).startswith(expected)
    assert "\n" not in str(caught.value)
    assert saved(tmp_path) == [3]
    assert not (tmp_path / "FAILED.json").exists()


@pytest.fixture
def small_files():
    """Files cannot grow beyond 400 bytes: enough for an owner, not for a log."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (400, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


# TensorBoard's own thread meets the limit too
@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_log_that_cannot_be_written_is_one_line(toy, upkeep, tmp_path, small_files):
    with pytest.raises(ResourceError, match=r"^log or TensorBoard files .* File too large; free space or raise"):
        toy().train(tmp_path, upkeep.model_copy(update={"checkpoint_every": 100}), log_every=1)


def test_other_errors_of_the_system_keep_theirs(toy, upkeep, tmp_path):
    def before(number):
        raise PermissionError(errno.EACCES, "Permission denied", "somewhere")

    with pytest.raises(PermissionError, match="somewhere"):
        toy(before=before).train(tmp_path, upkeep)


def test_an_error_in_the_code_keeps_its_name_and_traceback(toy, upkeep, tmp_path):
    def before(number):
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    with pytest.raises(RuntimeError, match="mat1 and mat2"):
        toy(before=before).train(tmp_path, upkeep)
