"""One process at a time on a run folder, by files alone: locks are inherited by forks and fail on some clusters.

The owner holds the file owner-<n>.json of the highest n and touches it while it lives. Whoever finds it dead creates
the next one, which the file system grants to one process only; so no two can take over at once.
"""

import json
import os
import re
import socket
import subprocess
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

from pqgan.errors import ResourceError
from pqgan.storage.process import lives, place, started

HEARTBEAT = 30
"""Seconds between two touches of the owner's file."""
PATIENCE = 600
"""Seconds without a touch after which an owner on another machine counts as dead."""
ANSWER = 10
"""Seconds that Slurm has to say how often it has put a job back into the queue."""


def _restarts(job: str | None) -> int:
    """How often Slurm has put a job back into the queue; 0 where nobody says.

    Snakemake takes the variable away from the commands in a job, and Slurm sets none before the first time.
    """
    said = os.environ.get("SLURM_RESTART_COUNT")
    if job and said is None:
        # no program here, a controller that is away, a job it does not know
        with suppress(OSError, subprocess.SubprocessError):
            command = ["scontrol", "--oneliner", "show", "job", job]
            shown = subprocess.run(command, capture_output=True, timeout=ANSWER, check=True).stdout
            found = re.search(rb" Restarts=(\d+)", shown)
            said = found and found[1]
    return int(said) if said and said.isdigit() else 0


def _me() -> dict[str, Any]:
    job = os.environ.get("SLURM_JOB_ID")
    return {
        "host": socket.gethostname(),
        "place": place(),
        "pid": os.getpid(),
        "started": started(psutil.Process()),
        "job": job,
        "restart": _restarts(job),
    }


class Owner:
    """This process as the owner of a folder, until `release`.

    Args:
        folder: that is there.

    Raises:
        ResourceError: another process owns it and lives; or the folder cannot be written.
    """

    def __init__(self, folder: Path):
        self.folder, self.took_over = folder, None
        """Who died here, as one phrase; None where nobody did."""
        self._me = _me()
        self._claim()
        self._released = threading.Event()
        threading.Thread(target=self._beat, name="heartbeat", daemon=True).start()

    def _claim(self) -> None:
        while True:
            files, self.took_over = self._files(), None
            number = 1
            if files:
                number = _number(files[-1]) + 1
                try:
                    said = _text(files[-1])
                    self._refuse_if_alive(files[-1], said)
                except FileNotFoundError:
                    continue  # released in between
            self.file = self.folder / f"owner-{number}.json"
            try:
                with open(self.file, "x") as file:
                    json.dump(self._me, file)
            except FileExistsError:
                continue  # somebody was quicker: look who
            except OSError as error:
                with suppress(OSError):
                    self.file.unlink()  # a full disk cuts it short
                raise ResourceError(
                    f"{self.file}: cannot be written: {error.strerror}; choose a folder that this user can write to"
                ) from None
            try:
                changed = self._files()[-1] != self.file or (files and _text(files[-1]) != said)
            except FileNotFoundError:
                changed = True
            if changed:
                self.file.unlink(missing_ok=True)  # the folder changed hands between looking and creating
                continue
            for dead in files:
                dead.unlink(missing_ok=True)
            return

    def _files(self) -> list[Path]:
        return sorted(self.folder.glob("owner-*.json"), key=_number)

    def _refuse_if_alive(self, file: Path, said: str) -> None:
        try:
            owner = json.loads(said)
            who = f"process {owner['pid']} on {owner['host']}" + (f", job {owner['job']}" if owner["job"] else "")
            alive = self._alive(owner, file)
        except (ValueError, KeyError, TypeError):
            # being written, or cut short by a crash
            who, alive = "a process that has not said its name", self._silent_for(file) < HEARTBEAT
        if alive:
            raise ResourceError(
                f"{self.folder}: in use by {who}; wait for it, or stop it with SIGTERM: it saves and can be continued"
            )
        self.took_over = who

    def _alive(self, owner: dict[str, Any], file: Path) -> bool:
        if owner["place"] == self._me["place"]:
            return lives(owner["pid"], owner["started"])
        if owner["job"] and owner["job"] == self._me["job"] and int(owner["restart"]) < self._me["restart"]:
            return False  # this very job, before the scheduler put it back into the queue
        return self._silent_for(file) < PATIENCE

    def _silent_for(self, file: Path) -> float:
        """Seconds since a file was touched, by the clock of the file system and not of this machine."""
        probe = self.folder / f".clock-{os.getpid()}"
        try:
            probe.touch()
            now = probe.stat().st_mtime
            probe.unlink()
        except OSError:
            now = time.time()
        return now - file.stat().st_mtime

    def _beat(self) -> None:
        while not self._released.wait(HEARTBEAT):
            # a network file system may be away for a moment
            with suppress(OSError):
                os.utime(self.file)

    def check(self) -> None:
        """See whether the folder is still this process's.

        Raises:
            ResourceError: it was taken over, for example while this process was frozen.
        """
        if not self.file.exists():
            raise ResourceError(
                f"{self.folder}: another process took over while this one gave no sign of life; this one ends"
            )

    def release(self) -> None:
        """Give the folder up."""
        self._released.set()
        self.file.unlink(missing_ok=True)


def _text(file: Path) -> str:
    return file.read_text(errors="replace")


def _number(file: Path) -> int:
    found = re.fullmatch(r"owner-(\d+)\.json", file.name)
    return int(found[1]) if found else 0
