"""One process at a time on a folder, whoever died there before."""

import errno
import json
import multiprocessing
import os
import subprocess
import sys
import threading
import time
from contextlib import closing
from pathlib import Path

import psutil
import pytest

from pqgan.engine import owner as module
from pqgan.engine.owner import HEARTBEAT, PATIENCE, Owner
from pqgan.errors import ResourceError
from pqgan.storage import process

NO_SUCH_PROCESS = 2**22 + 1
"""Beyond the largest number that Linux gives."""


@pytest.fixture(autouse=True)
def no_job(monkeypatch):
    for name in ("SLURM_JOB_ID", "SLURM_RESTART_COUNT"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def own(tmp_path):
    """Own tmp_path; given up when the test ends."""
    owners = []

    def make() -> Owner:
        owners.append(Owner(tmp_path))
        return owners[-1]

    yield make
    for one in owners:
        one.release()


def leave(folder: Path, number: int = 1, silent: float = 0, **changes) -> Path:
    """The file of another owner, touched so many seconds ago."""
    file = folder / f"owner-{number}.json"
    file.write_text(json.dumps({**module._me(), **changes}))
    then = time.time() - silent
    os.utime(file, (then, then))
    return file


def files(folder: Path) -> list[str]:
    return sorted(os.listdir(folder))


def test_the_file_says_who_and_goes_on_release(own, tmp_path):
    owner = own()
    assert files(tmp_path) == ["owner-1.json"]
    said = json.loads((tmp_path / "owner-1.json").read_text())
    assert (said["pid"], said["job"], said["restart"]) == (os.getpid(), None, 0)
    assert owner.took_over is None
    owner.release()
    owner.release()
    assert files(tmp_path) == []
    assert own().took_over is None


def test_a_second_one_is_refused_in_one_line(own, tmp_path):
    own()
    with pytest.raises(ResourceError, match=rf"in use by process {os.getpid()} on .*; wait for it, or stop") as caught:
        Owner(tmp_path)
    assert "\n" not in str(caught.value)
    assert files(tmp_path) == ["owner-1.json"]


def test_a_dead_process_is_succeeded(own, tmp_path):
    leave(tmp_path, pid=NO_SUCH_PROCESS)
    assert own().took_over == f"process {NO_SUCH_PROCESS} on {module._me()['host']}"
    assert files(tmp_path) == ["owner-2.json"]


def test_a_process_number_that_was_given_again_is_not_the_owner(own, tmp_path):
    leave(tmp_path, started=module._me()["started"] - 100)
    assert str(os.getpid()) in own().took_over


def test_a_killed_process_that_its_parent_has_not_looked_for_is_dead(own, tmp_path):
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        leave(tmp_path, pid=child.pid, started=process.started(psutil.Process(child.pid)))
        with pytest.raises(ResourceError, match=f"in use by process {child.pid}"):
            own()
        child.kill()
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # leaves it a zombie
        assert psutil.Process(child.pid).status() == psutil.STATUS_ZOMBIE
        assert f"process {child.pid}" in own().took_over
    finally:
        child.communicate()


def test_setting_the_clock_kills_nobody(own, tmp_path, monkeypatch):
    """The kernel tells when it booted, and so when a process started, by today's clock."""
    own()
    created, booted = psutil.Process.create_time, psutil.boot_time
    monkeypatch.setattr(psutil.Process, "create_time", lambda process: created(process) + 3600)
    monkeypatch.setattr(psutil, "boot_time", lambda: booted() + 3600)
    with pytest.raises(ResourceError, match="in use"):
        Owner(tmp_path)


def test_an_owner_elsewhere_counts_by_its_heartbeat(own, tmp_path):
    elsewhere = {"host": "node7", "place": "another boot", "job": "123"}
    leave(tmp_path, silent=PATIENCE - 60, **elsewhere)
    with pytest.raises(ResourceError, match=rf"in use by process {os.getpid()} on node7, job 123; wait"):
        own()
    leave(tmp_path, silent=PATIENCE + 60, **elsewhere)
    assert own().took_over == f"process {os.getpid()} on node7, job 123"


def test_a_job_put_back_into_the_queue_succeeds_itself_at_once(own, tmp_path, monkeypatch):
    leave(tmp_path, place="another boot", job="123", restart=0)
    monkeypatch.setenv("SLURM_JOB_ID", "123")
    with pytest.raises(ResourceError, match="in use"):
        own()  # the same start of the same job: another of its processes
    monkeypatch.setenv("SLURM_RESTART_COUNT", "1")
    assert "job 123" in own().took_over
    said = json.loads((tmp_path / "owner-2.json").read_text())
    assert (said["job"], said["restart"]) == ("123", 1)


@pytest.mark.parametrize("content", ["", '{"pid": 1', "[]", "\x00\xff"])
def test_an_unreadable_file_is_waited_for_and_then_passed_over(own, tmp_path, content):
    file = tmp_path / "owner-1.json"
    file.write_bytes(content.encode("latin-1"))
    with pytest.raises(ResourceError, match="in use by a process that has not said its name"):
        own()
    then = time.time() - HEARTBEAT - 5
    os.utime(file, (then, then))
    assert own().took_over == "a process that has not said its name"
    assert files(tmp_path) == ["owner-2.json"]


def test_silence_is_measured_by_the_clock_of_the_file_system(own, tmp_path, monkeypatch):
    leave(tmp_path, silent=PATIENCE - 60, place="another boot")
    monkeypatch.setattr(time, "time", lambda: 1e12)
    with pytest.raises(ResourceError, match="in use"):
        own()


def test_the_file_is_touched_while_the_owner_lives(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "HEARTBEAT", 0.01)
    with closing_owner(tmp_path) as owner:
        os.utime(owner.file, (1, 1))
        deadline = time.monotonic() + 5
        while owner.file.stat().st_mtime < 2:
            assert time.monotonic() < deadline, "no heartbeat"
            time.sleep(0.01)
    beating = [thread for thread in threading.enumerate() if thread.name == "heartbeat"]
    for thread in beating:
        thread.join(5)
    assert not any(thread.is_alive() for thread in beating)
    assert files(tmp_path) == []


def closing_owner(folder: Path) -> closing:
    owner = Owner(folder)
    owner.close = owner.release
    return closing(owner)


def test_many_dead_ones_are_cleared(own, tmp_path):
    for number in (2, 9, 10):
        leave(tmp_path, number, pid=NO_SUCH_PROCESS)
    own()
    assert files(tmp_path) == ["owner-11.json"]


@pytest.mark.parametrize("between", [0, 1], ids=["once", "twice"])
def test_a_folder_that_changed_hands_meanwhile_is_not_taken(own, tmp_path, monkeypatch, between):
    """Between a look at a dead owner and taking over others come, and go, until one stays: under the dead one's number
    or under that which is to be taken."""
    leave(tmp_path, pid=NO_SUCH_PROCESS)
    look, meanwhile = Owner._refuse_if_alive, []

    def slow(self, *arguments):
        look(self, *arguments)
        if not meanwhile:
            meanwhile.append(self)
            for _ in range(between):
                Owner(tmp_path).release()
            own()

    monkeypatch.setattr(Owner, "_refuse_if_alive", slow)
    with pytest.raises(ResourceError, match="in use"):
        Owner(tmp_path)
    assert files(tmp_path) == [f"owner-{2 - between}.json"]


def test_a_release_while_looking_is_no_error(own, tmp_path, monkeypatch):
    leave(tmp_path, pid=NO_SUCH_PROCESS)
    look = Owner._refuse_if_alive

    def late(self, file, said):
        file.unlink(missing_ok=True)
        look(self, file, said)

    monkeypatch.setattr(Owner, "_refuse_if_alive", late)
    assert own().file.exists()


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path, monkeypatch):
    def refuse(file, mode):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(file))

    monkeypatch.setattr(module, "open", refuse, raising=False)
    with pytest.raises(ResourceError, match=r"owner-1\.json: cannot be written: Permission denied; choose a folder"):
        Owner(tmp_path)
    assert files(tmp_path) == []


def race(folders: list[Path], start, won, lost) -> None:
    """Claim each folder the moment all are ready, and hold it until all have tried."""
    for folder in folders:
        start.wait()
        owner = None
        try:
            owner = Owner(folder)
            won.put(folder.name)
        except ResourceError as error:
            lost.put(str(error))
        start.wait()
        if owner:
            owner.release()


@pytest.mark.parametrize("dead", [True, False], ids=["dead owner", "no owner"])
def test_of_many_that_race_exactly_one_wins(tmp_path, dead):
    count, context = 4, multiprocessing.get_context("fork")
    folders = [tmp_path / f"{number:02}" for number in range(20)]
    for folder in folders:
        folder.mkdir()
        if dead:
            leave(folder, pid=NO_SUCH_PROCESS)
    start, won, lost = context.Barrier(count, timeout=30), context.SimpleQueue(), context.SimpleQueue()
    racers = [context.Process(target=race, args=(folders, start, won, lost)) for _ in range(count)]
    for racer in racers:
        racer.start()
    winners, losers = [], []
    for racer in racers:
        racer.join(60)
    while not won.empty():
        winners.append(won.get())
    while not lost.empty():
        losers.append(lost.get())
    assert [racer.exitcode for racer in racers] == [0] * count
    assert sorted(winners) == [folder.name for folder in folders]
    assert len(losers) == (count - 1) * len(folders)
    assert all("in use by" in line for line in losers)
    assert [files(folder) for folder in folders] == [[]] * len(folders)


def test_of_many_threads_exactly_one_wins(tmp_path):
    leave(tmp_path, pid=NO_SUCH_PROCESS)
    owners, refused, start = [], [], threading.Barrier(6)

    def claim():
        start.wait()
        try:
            owners.append(Owner(tmp_path))
        except ResourceError as error:
            refused.append(error)

    threads = [threading.Thread(target=claim) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(owners), len(refused)) == (1, 5)
    owners[0].release()
