"""A result is whole, says what it is of, and only then do the checkpoints go."""

import errno
import json
import os

import pytest
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from whole_plan import whole_plan

from pqgan.engine.publish import publish
from pqgan.errors import ResourceError
from pqgan.storage.outputs import new_result


@pytest.fixture
def job(smoke):
    return whole_plan(smoke).job("tokenizer", "f8-d16-S8-K64")


@pytest.fixture
def out(tmp_path):
    return tmp_path / "results/f8"


def save(made):
    return lambda folder: save_file(made.generator.state_dict(), folder / "model.safetensors")


def train(made, path, upkeep, job, out, write) -> None:
    made.train(path, upkeep, then=lambda run: publish(made.fabric, run, made.state, job, out, write))


def test_the_result_is_whole_and_the_checkpoints_are_gone(toy, upkeep, tmp_path, job, out):
    made = toy()
    train(made, tmp_path / "run", upkeep, job, out, save(made))
    assert sorted(os.listdir(out)) == ["SHA256SUMS", "model.safetensors", "provenance.json", "train.jsonl"]
    assert os.listdir(out.parent) == ["f8"]
    assert load_file(out / "model.safetensors").keys() == made.generator.state_dict().keys()
    assert (out / "train.jsonl").read_bytes() == (tmp_path / "run/train.jsonl").read_bytes()
    assert sorted(os.listdir(tmp_path / "run")) == ["checkpoints", "progress.log", "tensorboard", "train.jsonl"]


def test_provenance_has_the_state_and_the_time_of_all_attempts(toy, upkeep, tmp_path, job, out):
    made = toy()
    path = tmp_path / "run"

    def slow_lines(run):
        content = [json.loads(line) for line in run.log.read_text().splitlines()]
        run.log.write_text("".join(json.dumps({**line, "seconds": 100.25}) + "\n" for line in content))
        publish(made.fabric, run, made.state, job, out, save(made))

    made.train(path, upkeep, then=slow_lines)
    said = json.loads((out / "provenance.json").read_text())
    assert said["training"] == {"steps": 10, "seconds": 300.75, "state_sha256": made.state.sha256()}
    assert said["job"]["digest"] == job.digest
    assert said["settings"] == dict(job.spec)


def test_checkpoints_stay_until_the_result_is_there(toy, upkeep, tmp_path, job, out):
    made, seen = toy(), []

    def write(folder):
        save(made)(folder)
        seen.append((sorted(os.listdir(tmp_path / "run/checkpoints")), out.exists()))

    train(made, tmp_path / "run", upkeep, job, out, write)
    assert seen == [(["step-00000009", "step-00000010"], False)]


@pytest.mark.parametrize(
    "error",
    [OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), SafetensorError("I/O error: No space left on device")],
    ids=["os", "safetensors"],
)
def test_a_full_disk_is_one_line_leaves_no_result_and_loses_nothing(toy, upkeep, tmp_path, job, out, error):
    made = toy()

    def full(folder):
        (folder / "half").write_text("x")
        raise error

    with pytest.raises(ResourceError, match=r"results/f8: cannot be written: .*No space left on device.*; free space"):
        train(made, tmp_path / "run", upkeep, job, out, full)
    assert os.listdir(out.parent) == []
    again, begun = toy(), []
    again.before = begun.append
    train(again, tmp_path / "run", upkeep, job, out, save(again))
    assert begun == []
    assert json.loads((out / "provenance.json").read_text())["training"]["state_sha256"] == made.state.sha256()


def test_an_older_result_is_replaced_as_a_whole(toy, upkeep, tmp_path, job, out):
    with new_result(out, job.chapter) as folder:
        (folder / "old").write_text("x")
    made = toy()
    train(made, tmp_path / "run", upkeep, job, out, save(made))
    assert "old" not in os.listdir(out)
    assert "model.safetensors" in os.listdir(out)
