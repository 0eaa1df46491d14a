"""Disks that are full, folders that cannot be written, limits on files."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from fault_kinds import DropPrivileges, FillDisk, limit_file_size
from fault_points import AtStep, WritingState, kill
from fault_sameness import assert_same

from pqgan.storage import checkpoint

SHARED_MEMORY = Path("/dev/shm")
thorough = pytest.mark.thorough


def assert_whole(checkpoints: Path, *steps: int) -> None:
    assert [checkpoint.verify(checkpoints / f"step-{step:08d}").step for step in steps] == list(steps)


def test_a_file_too_large_while_saving(training, reference):
    training.run(AtStep(8, limit_file_size)).failed(5, "step-00000009: cannot be written", "File too large", "limit")
    assert training.checkpoints() == ["step-00000003", "step-00000006"]
    assert_whole(training.run_folder / "checkpoints", 3, 6)
    again = training.run()
    again.succeeded()
    assert "goes on from step 6/12" in again.out
    assert_same(training.result, reference)


@thorough
def test_a_file_too_large_while_publishing(training, reference):
    running = training.run(AtStep(11, limit_file_size))
    running.failed(5, "cannot be written")
    assert not training.result.exists()
    training.run().succeeded()
    assert_same(training.result, reference)


@pytest.fixture
def disk(tmp_path) -> Iterator[Callable[[int], Path]]:
    """(megabytes) -> a file system of that size; where it is called again, it grows or shrinks."""
    folder = tmp_path / "disk"
    folder.mkdir()

    def of_size(megabytes: int) -> Path:
        again = "remount," if folder.is_mount() else ""
        mount = ["mount", "-t", "tmpfs", "-o", f"{again}size={megabytes}m", "tmpfs", str(folder)]
        if subprocess.run(mount, capture_output=True, check=False).returncode:
            pytest.skip("no right to mount a file system")
        return folder

    yield of_size
    if folder.is_mount():
        subprocess.run(["umount", str(folder)], check=True)


@thorough
def test_a_disk_that_has_room_for_two_checkpoints_and_a_half(training, disk, reference):
    run = disk(10) / "run"  # a checkpoint takes 4
    training.run(more=["--run", run]).failed(5, "step-00000009: cannot be written", "No space left on device")
    assert_whole(run / "checkpoints", 3, 6)
    assert len(list((run / "checkpoints").iterdir())) == 2
    disk(20)
    again = training.run(more=["--run", run])
    again.succeeded()
    assert "goes on from step 6/12" in again.out
    assert_same(training.result, reference)


@thorough
@pytest.mark.parametrize("number", [3, 11], ids=["before a line of the log", "before the last save"])
def test_a_disk_that_something_else_fills(number, training, disk, reference):
    shutil.copytree(training.folder, disk(40) / "work")
    training.folder = disk(40) / "work"
    filler = disk(40) / "filler"
    ended = training.run(AtStep(number, FillDisk(filler)))
    # TensorBoard's thread may say so too, in its own words
    ended.failed(5, "cannot be written", "No space left on device", alone=False)
    filler.unlink()
    again = training.run()
    again.succeeded()
    assert "goes on from step" in again.out
    assert_same(training.result, reference)


@pytest.fixture
def unwritable() -> Iterator[Path]:
    """A folder that nobody may write to, in one that everybody may enter."""
    with tempfile.TemporaryDirectory() as base:
        os.chmod(base, 0o755)
        folder = Path(base) / "folder"
        folder.mkdir(mode=0o555)
        yield folder
        folder.chmod(0o755)


@pytest.mark.parametrize("there", [pytest.param(False, id="to be created"), pytest.param(True, id="there")])
def test_an_unwritable_run_folder_is_found_before_training(there, training, unwritable):
    run = unwritable if there else unwritable / "run"
    if there:
        unwritable.chmod(0o755)
        (unwritable / "checkpoints").mkdir()
        unwritable.chmod(0o555)
    ended = training.run(DropPrivileges(), more=["--run", run])
    ended.failed(5, str(run), "cannot be", "Permission denied")
    assert "step" not in ended.out
    assert not training.result.exists()


def test_temporary_files_on_another_file_system(training, reference):
    if not SHARED_MEMORY.is_dir() or SHARED_MEMORY.stat().st_dev == training.folder.stat().st_dev:
        pytest.skip("no second file system at /dev/shm")
    with tempfile.TemporaryDirectory(dir=SHARED_MEMORY) as temporary:
        elsewhere = {"TMPDIR": temporary}
        assert training.run(WritingState(9, kill), environment=elsewhere).code == -9
        assert not list(Path(temporary).rglob("*.safetensors")), "a rename from there would be a copy"
        assert_whole(training.run_folder / "checkpoints", 3, 6)
        training.run(environment=elsewhere).succeeded()
    assert_same(training.result, reference)
