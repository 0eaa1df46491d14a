"""Points of a training at which a fault strikes, and what it may do there.

A child process puts its faults in before it trains: each is called once with its Mark and patches what it needs. The
mark is made when the fault strikes, so that a test whose fault never struck fails. Faults are sent to the child by
pickling, hence the classes.
"""

import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from torch.utils.data import get_worker_info

from pqgan.data.prepared import PreparedSet
from pqgan.diffusion.step import DenoisingStep
from pqgan.storage import checkpoint
from pqgan.tokenizer.step import TokenizerStep


class Mark:
    """A file that says that a fault has struck, and in which process."""

    def __init__(self, path: Path):
        self.path = path

    def __call__(self) -> None:
        self.path.with_suffix(".new").write_text(str(os.getpid()))
        os.replace(self.path.with_suffix(".new"), self.path)


Action = Callable[[Mark], None]
Fault = Callable[[Mark], None]


def kill(mark: Mark) -> None:
    mark()
    os.kill(os.getpid(), signal.SIGKILL)


@dataclass(frozen=True)
class Signal:
    """Signals to this process, one after the other."""

    numbers: tuple[int, ...]

    def __call__(self, mark: Mark) -> None:
        mark()
        for number in self.numbers:
            signal.raise_signal(number)


terminate = Signal((signal.SIGTERM,))


def hold(mark: Mark) -> None:
    """Stay here until the test says otherwise."""
    mark()
    while not mark.path.with_suffix(".released").exists():
        time.sleep(0.01)


def hang(mark: Mark) -> None:
    mark()
    time.sleep(3600)


@dataclass(frozen=True)
class AtStep:
    """In step `number` (from 0), when so many of its updates are done and the next loss is known."""

    number: int
    do: Action
    updates: int = 0

    def __call__(self, mark: Mark) -> None:
        for steps in (TokenizerStep, DenoisingStep):
            steps.__call__ = self._wrapped(steps.__call__, mark)

    def _wrapped(self, original, mark: Mark):
        def call(step, number, batch):
            for done, update in enumerate(original(step, number, batch)):
                if (number, done) == (self.number, self.updates):
                    self.do(mark)
                yield update

        return call


@dataclass(frozen=True)
class WritingState:
    """In the middle of writing the state of the checkpoint of a step."""

    step: int
    do: Action

    def __call__(self, mark: Mark) -> None:
        original = checkpoint.save_file

        def save_file(tensors, path, metadata):
            if metadata["step"] == str(self.step):
                original(tensors, path, metadata=metadata)
                os.truncate(path, os.path.getsize(path) // 2)
                self.do(mark)
            original(tensors, path, metadata=metadata)

        checkpoint.save_file = save_file


@dataclass(frozen=True)
class Renaming:
    """Before or after a file or folder gets its final name."""

    name: str
    do: Action
    done: bool = False

    def __call__(self, mark: Mark) -> None:
        original = os.replace

        def replace(source, target):
            if self.done:
                original(source, target)
            if Path(target).name == self.name:
                self.do(mark)
            if not self.done:
                original(source, target)

        os.replace = replace


@dataclass(frozen=True)
class ReadingImages:
    """When the process reads its first image; or, of a worker process, the image after so many."""

    do: Action
    worker: int | None = None
    images: int = 0

    def __call__(self, mark: Mark) -> None:
        original, read = PreparedSet.image, []

        def image(prepared, index):
            read.append(index)
            worker = get_worker_info()
            if len(read) == self.images + 1 and (worker.id if worker else None) == self.worker:
                self.do(mark)
            return original(prepared, index)

        PreparedSet.image = image
