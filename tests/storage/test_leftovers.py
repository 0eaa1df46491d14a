"""What a killed process left is removed by the next one, and nothing else is."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pqgan.errors import SettingsError
from pqgan.storage import leftovers
from pqgan.storage.atomic import new_folder, write_text
from pqgan.storage.outputs import new_result
from pqgan.storage.process import Mark

DEAD = Mark.own()._replace(pid=2**22 + 1)
"""A process of this machine beyond the largest number that Linux gives."""
ELSEWHERE = DEAD._replace(place="0" * 8)


def left(folder: Path, mark: Mark, name: str = "result") -> Path:
    path = folder / f".{name}.pqgan-{mark}-abc_1234"
    (path / leftovers.CONTENT).mkdir(parents=True)
    (path / leftovers.CONTENT / "half").write_text("x")
    return path


def age(path: Path, seconds: float) -> None:
    then = time.time() - seconds
    for each in (*path.rglob("*"), path):
        os.utime(each, (then, then))


def test_leftovers_of_the_dead_go_when_the_next_writes_there(tmp_path):
    folder, file = left(tmp_path, DEAD), tmp_path / f".note.txt.pqgan-{DEAD}-12345678"
    file.write_text("half")
    living = left(tmp_path, Mark.own(), "other")
    write_text(tmp_path / "note.txt", "whole")
    assert not folder.exists()
    assert not file.exists()
    assert living.is_dir()


def test_those_of_another_machine_go_after_a_day_without_a_change(tmp_path):
    silent, busy = left(tmp_path, ELSEWHERE), left(tmp_path, ELSEWHERE, "busy")
    for path in (silent, busy):
        age(path, leftovers.ABANDONED + 60)
    (busy / leftovers.CONTENT / "half").touch()
    leftovers.sweep(tmp_path)
    assert not silent.exists()
    assert busy.is_dir()


@pytest.mark.parametrize(
    "name", [".result.abcd1234", ".result.pqgan-mine", "result.pqgan-1-2-3", ".pqgan-00000000-1-2-abc", ".git"]
)
def test_names_that_are_not_of_this_program_stay(tmp_path, name):
    (tmp_path / name).mkdir()
    age(tmp_path / name, 100 * leftovers.ABANDONED)
    leftovers.sweep(tmp_path)
    assert (tmp_path / name).is_dir()


def test_what_a_killed_process_had_put_aside_gets_its_name_back(tmp_path):
    working = left(tmp_path, DEAD)
    (working / leftovers.REPLACED).mkdir()
    (working / leftovers.REPLACED / "old").write_text("x")
    leftovers.sweep(tmp_path)
    assert os.listdir(tmp_path) == ["result"]
    assert os.listdir(tmp_path / "result") == ["old"]


def test_what_was_replaced_goes_where_the_new_one_has_the_name(tmp_path):
    working = left(tmp_path, DEAD)
    (working / leftovers.REPLACED).mkdir()
    (tmp_path / "result").mkdir()
    (tmp_path / "result/SHA256SUMS").write_text("# pqgan toy\n")
    leftovers.sweep(tmp_path)
    assert os.listdir(tmp_path) == ["result"]
    assert os.listdir(tmp_path / "result") == ["SHA256SUMS"]


@pytest.mark.parametrize("there", ["a user's folder", "a file", "a link"])
def test_what_was_put_aside_stays_where_something_else_has_its_name(tmp_path, there):
    working, target = left(tmp_path, DEAD), tmp_path / "result"
    (working / leftovers.REPLACED).mkdir()
    (working / leftovers.REPLACED / "old").write_text("x")
    if there == "a link":
        target.symlink_to("nowhere")
    elif there == "a file":
        target.write_text("mine")
    else:
        target.mkdir()
        (target / "mine").write_text("x")
    leftovers.sweep(tmp_path)
    assert (working / leftovers.REPLACED / "old").read_text() == "x"
    assert os.path.lexists(target)


def test_what_was_put_aside_gets_its_name_back_from_an_empty_folder(tmp_path):
    working = left(tmp_path, DEAD)
    (working / leftovers.REPLACED).mkdir()
    (working / leftovers.REPLACED / "old").write_text("x")
    (tmp_path / "result").mkdir()
    leftovers.sweep(tmp_path)
    assert os.listdir(tmp_path) == ["result"]
    assert os.listdir(tmp_path / "result") == ["old"]


PROGRAM = """
import sys, time
from pqgan.storage.outputs import new_result
with new_result(sys.argv[1], "toy") as folder:
    (folder / "half").write_text("x")
    print("in", flush=True)
    time.sleep(60)
"""


def test_a_process_that_is_killed_leaves_something_and_the_next_result_removes_it(tmp_path):
    with new_result(tmp_path / "result", "toy") as folder:
        (folder / "old").write_text("x")
    process = subprocess.Popen([sys.executable, "-c", PROGRAM, str(tmp_path / "result")], stdout=subprocess.PIPE)
    process.stdout.readline()
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    (there,) = (name for name in os.listdir(tmp_path) if name != "result")
    assert leftovers._NAME.fullmatch(there)
    assert sorted(os.listdir(tmp_path / "result")) == ["SHA256SUMS", "old"]
    with new_result(tmp_path / "result", "toy") as folder:
        (folder / "new").write_text("x")
    assert os.listdir(tmp_path) == ["result"]
    assert sorted(os.listdir(tmp_path / "result")) == ["SHA256SUMS", "new"]


def test_too_long_a_name_is_refused_before_the_block(tmp_path):
    with (
        pytest.raises(SettingsError, match="a name of 201 bytes; allowed: up to 200"),
        new_folder(tmp_path / ("a" * 201)),
    ):
        raise AssertionError("the block is not entered")
    with new_folder(tmp_path / ("a" * leftovers.LONGEST_NAME)):
        pass


def test_git_and_dvc_pass_over_the_names(tmp_path):
    """Both read patterns of which the ignored name is one."""
    root = Path(__file__).parents[2]
    for file in (".gitignore", ".dvcignore"):
        assert ".*.pqgan-*" in (root / file).read_text().splitlines()


@pytest.mark.parametrize("name", ["old.result.pqgan-{}-abc", ".result.pqgan-{}-abc.bak"])
def test_a_name_that_only_holds_one_of_ours_stays(tmp_path, name):
    kept = tmp_path / name.format(DEAD)
    kept.write_text("mine")
    leftovers.sweep(tmp_path)
    assert kept.exists()
