"""Checkpoints are whole or not there, and no damage goes unseen."""

import errno
import os
import shutil
import subprocess
from pathlib import Path

import pytest
import torch
from safetensors import SafetensorError

from pqgan.errors import DataError, ResourceError
from pqgan.storage import checkpoint
from pqgan.storage.process import Mark

IDENTITY = {"settings": "a" * 64, "data": "b" * 64}
LOG = b'{"step": 1}\n'
DEAD = Mark.own()._replace(pid=2**22 + 1)
"""A process of this machine beyond the largest number that Linux gives."""


def tensors(step: int) -> dict[str, torch.Tensor]:
    return {
        "conv": torch.arange(24.0).view(1, 2, 3, 4).contiguous(memory_format=torch.channels_last) + step,
        "part": torch.arange(12.0).view(3, 4)[:, 1:3],
        "step": torch.tensor(float(step)),
        "half": torch.tensor([1.5, -2.0]).bfloat16(),
        "count": torch.tensor(3),
        "double": torch.tensor([1 / 3], dtype=torch.float64),
    }


def write(root: Path, *steps: int) -> list[Path]:
    return [checkpoint.write(root, step, tensors(step), IDENTITY, LOG) for step in steps]


def flip(path: Path, place: int = -5) -> None:
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-7])


def names(root: Path) -> list[str]:
    return sorted(os.listdir(root))


def test_what_was_written_comes_back_with_types_and_shapes(tmp_path):
    (folder,) = write(tmp_path, 12)
    found = checkpoint.verify(folder)
    assert folder.name == "step-00000012"
    assert (found.step, found.identity, found.log()) == (12, IDENTITY, LOG)
    read = found.tensors()
    assert read.keys() == tensors(12).keys()
    for name, expected in tensors(12).items():
        assert (read[name].dtype, read[name].shape) == (expected.dtype, expected.shape)
        assert torch.equal(read[name], expected)


def test_an_empty_log_is_a_log(tmp_path):
    folder = checkpoint.write(tmp_path, 1, tensors(1), IDENTITY, b"")
    assert checkpoint.verify(folder).log() == b""


@pytest.mark.skipif(shutil.which("sha256sum") is None, reason="needs coreutils")
def test_sums_are_what_sha256sum_reads(tmp_path):
    (folder,) = write(tmp_path, 1)
    check = ["sha256sum", "--strict", "-c", "SHA256SUMS"]
    good = subprocess.run(check, cwd=folder, capture_output=True, text=True, check=False)
    assert (good.returncode, good.stdout) == (0, "state.safetensors: OK\ntrain.jsonl: OK\n")
    flip(folder / "state.safetensors")
    assert subprocess.run(check, cwd=folder, capture_output=True, check=False).returncode == 1


@pytest.mark.parametrize("file", [checkpoint.STATE, checkpoint.LOG, checkpoint.SUMS])
@pytest.mark.parametrize("damage", [flip, truncate, Path.unlink], ids=["bit", "truncated", "gone"])
def test_damage_to_any_file_is_found_and_named(tmp_path, file, damage):
    (folder,) = write(tmp_path, 5)
    checkpoint.verify(folder)
    damage(folder / file)
    with pytest.raises(DataError, match=rf"^step-00000005: .*{file}") as caught:
        checkpoint.verify(folder)
    assert "\n" not in str(caught.value)


def test_a_flipped_bit_anywhere_in_the_tensors_is_found(tmp_path):
    (folder,) = write(tmp_path, 5)
    size = (folder / checkpoint.STATE).stat().st_size
    for place in range(0, size, 97):
        flip(folder / checkpoint.STATE, place)
        with pytest.raises(DataError, match=r"sha256 of state\.safetensors is"):
            checkpoint.verify(folder)
        flip(folder / checkpoint.STATE, place)
    checkpoint.verify(folder)


def test_a_checkpoint_under_another_steps_name_is_refused(tmp_path):
    (folder,) = write(tmp_path, 5)
    renamed = folder.rename(tmp_path / "step-00000009")
    with pytest.raises(DataError, match="step-00000009: holds step 5"):
        checkpoint.verify(renamed)


def test_tensors_of_another_program_are_refused(tmp_path):
    from safetensors.torch import save_file

    (folder,) = write(tmp_path, 5)
    save_file({"weight": torch.zeros(2)}, folder / checkpoint.STATE)
    digest = checkpoint.sha256(folder / checkpoint.STATE)
    log = checkpoint.read_sums(folder).files[checkpoint.LOG]
    (folder / checkpoint.SUMS).write_text(f"{digest}  {checkpoint.STATE}\n{log}  {checkpoint.LOG}\n")
    with pytest.raises(DataError, match=r"step-00000005: state\.safetensors is no checkpoint"):
        checkpoint.verify(folder)


def test_the_newest_is_found_by_number(tmp_path):
    assert checkpoint.newest(tmp_path) == (None, [])
    assert checkpoint.newest(tmp_path / "nowhere") == (None, [])
    write(tmp_path, 100, 20, 9)
    found, wrong = checkpoint.newest(tmp_path)
    assert (found.step, wrong) == (100, [])


def test_bad_ones_newer_than_the_good_one_are_set_aside_and_said(tmp_path):
    folders = write(tmp_path, 1, 2, 3, 4)
    flip(folders[0] / checkpoint.STATE)
    flip(folders[2] / checkpoint.STATE)
    (folders[3] / checkpoint.SUMS).unlink()
    found, wrong = checkpoint.newest(tmp_path)
    assert found.step == 2
    assert [reason.split(":")[0] for reason in wrong] == ["step-00000004", "step-00000003"]
    # the first is older than the good one: not looked at, and in nobody's way
    assert names(tmp_path) == ["bad-step-00000003", "bad-step-00000004", "step-00000001", "step-00000002"]
    assert checkpoint.newest(tmp_path) == (found, [])
    # the same again, beside what was set aside before
    flip(write(tmp_path, 3)[0] / checkpoint.LOG)
    assert checkpoint.newest(tmp_path)[0].step == 2
    assert names(tmp_path)[:3] == ["bad-step-00000003", "bad-step-00000003-2", "bad-step-00000004"]


def test_where_all_are_bad_each_is_listed_and_none_is_touched(tmp_path):
    folders = write(tmp_path, 1, 2)
    flip(folders[0] / checkpoint.STATE)
    (folders[1] / checkpoint.LOG).unlink()
    with pytest.raises(DataError) as caught:
        checkpoint.newest(tmp_path)
    message = str(caught.value)
    assert f"{tmp_path}: none of 2 checkpoints is whole" in message
    assert "step-00000001: sha256 of state.safetensors" in message
    assert "step-00000002: has no train.jsonl" in message
    assert "delete the folder to train from the start" in message
    assert "\n" not in message
    assert names(tmp_path) == ["step-00000001", "step-00000002"]


def test_prune_keeps_the_newest_and_clears_what_a_kill_left(tmp_path):
    write(tmp_path, 1, 2, 3, 10)
    for left in (".step-00000011", f".step-00000012.pqgan-{DEAD}-abc"):
        (tmp_path / left).mkdir()
        (tmp_path / left / "state.safetensors").write_bytes(b"half")
    checkpoint.prune(tmp_path, 2)
    assert names(tmp_path) == ["step-00000003", "step-00000010"]
    checkpoint.prune(tmp_path, 2)
    assert names(tmp_path) == ["step-00000003", "step-00000010"]


def test_what_a_person_put_there_is_left_alone(tmp_path):
    (mine,) = write(tmp_path, 1)
    shutil.copytree(mine, tmp_path / "step-00000001.backup")
    (tmp_path / "step-notes.txt").write_text("mine")
    (tmp_path / "step-00000009").write_text("a file")
    (tmp_path / "notes").mkdir()
    foreign = ["notes", "step-00000001.backup", "step-00000009", "step-notes.txt"]
    found, wrong = checkpoint.newest(tmp_path)
    assert (found.step, wrong) == (1, [])
    write(tmp_path, 2, 3)
    checkpoint.prune(tmp_path, 2)
    assert sorted(set(names(tmp_path)) - {"step-00000002", "step-00000003"}) == foreign


@pytest.mark.parametrize(
    "error",
    [
        SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)"),
        OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)),
        OSError(errno.EFBIG, os.strerror(errno.EFBIG)),
    ],
    ids=["safetensors", "disk full", "file too large"],
)
def test_a_failed_write_leaves_nothing_but_the_older_ones(tmp_path, monkeypatch, error):
    (older,) = write(tmp_path, 1)
    calls = []

    def fail(_, path, metadata):
        Path(path).write_bytes(b"half of it")
        calls.append(metadata)
        raise error

    monkeypatch.setattr(checkpoint, "save_file", fail)
    with pytest.raises(ResourceError, match=r"step-00000002: cannot be written: .*; free space") as caught:
        write(tmp_path, 2)
    assert calls == [{**IDENTITY, "step": "2"}]
    assert "\n" not in str(caught.value)
    assert names(tmp_path) == ["step-00000001"]
    assert checkpoint.newest(tmp_path)[0].folder == older


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(ResourceError, match="step-00000001: cannot be written"):
        write(tmp_path / "file", 1)


def test_what_a_person_put_beside_checkpoints_outlives_their_end(tmp_path):
    root = tmp_path / "checkpoints"
    (mine,) = write(root, 1)
    shutil.copytree(mine, root / "step-00000001.best")
    (root / "bad-step-00000002").mkdir()
    checkpoint.clear(root)
    assert names(root) == ["step-00000001.best"]
    shutil.rmtree(root / "step-00000001.best")
    checkpoint.clear(root)
    assert not root.exists()


def test_what_a_person_put_into_checkpoints_is_never_deleted(tmp_path):
    root = tmp_path / "checkpoints"
    folders = write(root, 1, 2, 3)
    (folders[0] / "notes.txt").write_text("mine")
    flip(folders[2] / checkpoint.STATE)
    (folders[2] / "notes.txt").write_text("mine")
    assert checkpoint.newest(root)[0].step == 2
    write(root, 3, 4)
    checkpoint.prune(root, 2)
    checkpoint.clear(root)
    kept = {path.relative_to(root).as_posix() for path in root.rglob("notes.txt")}
    assert kept == {"step-00000001/notes.txt", "bad-step-00000003/notes.txt"}
    assert names(root) == ["bad-step-00000003", "step-00000001"]
