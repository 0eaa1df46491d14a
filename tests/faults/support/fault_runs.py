"""Trainings in processes of their own, with real signals and exit codes.

A fork server imports PyTorch once, so that a process starts in a fraction of a second instead of five.
"""

import multiprocessing
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import yaml
from fault_points import Fault, Mark
from fault_sameness import read_log

from pqgan.plan import Plan
from pqgan.settings import load

TIMEOUT = 120
"""Seconds after which a process counts as stuck, on a busy machine too."""
HEAVY = (
    "pqgan.cli",
    "pqgan.tokenizer.train",
    "pqgan.diffusion.ldm",
    "fault_kinds",
    "lightning_fabric",
    "lpips",
    "torch.utils.tensorboard",
    "torchvision.models",
    "pytest",  # a child looks at its parent's main module
)


def fork_server() -> multiprocessing.context.BaseContext:
    """Started with one thread a process: their number changes the last digits of sums."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(HEAVY))
    return context


def wait_for(condition: Callable[[], Any], what: str, timeout: float = TIMEOUT) -> Any:
    """The first true value of a condition."""
    end = time.monotonic() + timeout
    while not (value := condition()):
        assert time.monotonic() < end, f"waited {timeout} s until {what}"
        time.sleep(0.005)
    return value


def is_dead(pid: int) -> bool:
    """Whether no process of that number runs; one that nobody has waited for yet does not."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def command_line(arguments: Sequence[str], faults: Sequence[Fault], marks: Path) -> int:
    """`pqgan ...` in this process, with faults."""
    for number, fault in enumerate(faults):
        fault(Mark(marks / f"mark-{number}"))
    sys.argv = ["pqgan", *arguments]
    from pqgan.cli import main

    return main(list(arguments))


def _child(folder: Path, arguments: Sequence[str], faults: Sequence[Fault], place: Path, environment: Mapping) -> None:
    os.setsid()  # a process group of its own, as a job has
    os.environ |= environment
    tempfile.tempdir = None
    multiprocessing.set_start_method("fork", force=True)  # loader workers inherit the faults, not the fork server
    for number, name in ((1, "out"), (2, "err")):
        file = os.open(place / name, os.O_WRONLY | os.O_CREAT)
        os.dup2(file, number)
    os.chdir(folder)
    sys.exit(command_line(arguments, faults, place))


@dataclass(frozen=True)
class Ended:
    """A process that is over."""

    code: int
    """Exit code; minus the signal that ended it."""
    out: str
    err: str

    def failed(self, code: int, *words: str, alone: bool = True) -> None:
        """Assert that it ended with a code and a line that holds these words.

        Args:
            alone: whether it is the only line; else the last.
        """
        assert self.code == code, f"exit code {self.code}, expected {code}\n{self.out}\n{self.err}"
        lines = self.err.splitlines()
        assert len(lines) == 1 or not alone, self.err
        missing = [word for word in words if word not in lines[-1]]
        assert lines[-1].startswith("pqgan ")
        assert not missing, f"{missing} not in: {lines[-1]}"

    def succeeded(self) -> None:
        assert self.code == 0, f"exit code {self.code}\n{self.out}\n{self.err}"


class Running:
    """A process of a training."""

    def __init__(self, process: multiprocessing.Process, place: Path, faults: Sequence[Fault]):
        self.process, self.place, self.faults = process, place, faults

    @property
    def pid(self) -> int:
        return self.process.pid

    def struck(self, fault: int = 0) -> int | None:
        """The process that a fault has struck in; None where it has not yet."""
        mark = self.place / f"mark-{fault}"
        return int(mark.read_text()) if mark.exists() else None

    def said(self) -> str:
        return (self.place / "out").read_text()

    def until(self, condition: Callable[[], Any], what: str) -> Any:
        """Wait for the first true value of a condition, or for the end of the process."""
        return wait_for(lambda: condition() or not self.process.is_alive(), what)

    def until_struck(self, fault: int = 0) -> int:
        """Wait until a fault has struck; the process that it has struck in."""
        self.until(lambda: self.struck(fault), f"{self.faults[fault]} strikes")
        pid = self.struck(fault)
        assert pid, f"ended before {self.faults[fault]}: {self.end(struck=False)}"
        return pid

    def release(self, fault: int = 0) -> None:
        """Let go of a process that a fault holds."""
        (self.place / f"mark-{fault}.released").touch()

    def end(self, struck: bool = True) -> Ended:
        """Wait for the end.

        Args:
            struck: whether all its faults must have struck by then.
        """
        self.process.join(TIMEOUT)
        code = self.process.exitcode
        if code is None:
            self.kill()
        ended = Ended(code, self.said(), (self.place / "err").read_text())
        assert code is not None, f"still running after {TIMEOUT} s: {ended}"
        if struck:
            for number, fault in enumerate(self.faults):
                assert self.struck(number), f"never struck: {fault}\n{ended.out}\n{ended.err}"
        return ended

    def children(self) -> list[int]:
        return [child.pid for child in psutil.Process(self.pid).children(recursive=True)]

    def signal(self, number: int, group: bool = False) -> None:
        """Send a signal to the process, or to its whole group."""
        (os.killpg if group else os.kill)(self.pid, number)

    def kill(self) -> None:
        self.process.kill()
        self.process.join(TIMEOUT)


class Training:
    """A training with a folder of its own; each call of it is one process.

    Args:
        server: see fork_server.
        folder: to work in, new.
        params: settings file of one scale; it gets a copy.
        chapter: tokenizer or ldm.
        name: of the job.
        inputs: folders by role.
    """

    def __init__(self, server, folder: Path, params: Path, chapter: str, name: str, inputs: Mapping[str, Path]):
        self.server, self.folder, self.chapter, self.name, self.inputs = server, folder, chapter, name, inputs
        self._places = folder
        folder.mkdir(parents=True)
        shutil.copy(params, folder / "params.yaml")
        self.processes: list[Running] = []

    @property
    def job(self):
        settings = load(self.folder / "params.yaml", None)
        return Plan(settings, settings.expected_selection).job(self.chapter, self.name)

    @property
    def result(self) -> Path:
        return self.folder / self.job.path

    @property
    def run_folder(self) -> Path:
        return self.folder / self.job.run_path

    def checkpoints(self) -> list[str]:
        return sorted(file.name for file in (self.run_folder / "checkpoints").iterdir())

    def log(self) -> list[dict]:
        return read_log(self.run_folder)

    def set(self, section: str, **values) -> None:
        """Change values of a section of the scale."""
        file = self.folder / "params.yaml"
        raw = yaml.safe_load(file.read_text())
        raw["scales"][raw["scale"]][section] |= values
        file.write_text(yaml.safe_dump(raw, sort_keys=False))

    def arguments(self) -> list[str]:
        inputs = [str(part) for role, path in self.inputs.items() for part in (f"--{role}", path)]
        return [f"train-{self.chapter}", self.name, *inputs, "--out", self.job.path]

    def start(self, *faults: Fault, more: Sequence[str] = (), environment: Mapping | None = None) -> Running:
        """Start a process.

        Args:
            faults: that it is to suffer.
            more: arguments besides.
            environment: variables besides.
        """
        place = self._places / f"process-{len(self.processes) + 1}"
        place.mkdir()
        for name in ("out", "err"):
            (place / name).touch()
        arguments = (self.folder, [*self.arguments(), *map(str, more)], faults, place, dict(environment or {}))
        process = self.server.Process(target=_child, args=arguments)
        process.start()
        self.processes.append(Running(process, place, faults))
        return self.processes[-1]

    def run(self, *faults: Fault, more: Sequence[str] = (), environment: Mapping | None = None) -> Ended:
        """One process from start to end; all faults strike."""
        return self.start(*faults, more=more, environment=environment).end()

    def close(self) -> None:
        for running in self.processes:
            if running.process.is_alive():
                running.kill()
