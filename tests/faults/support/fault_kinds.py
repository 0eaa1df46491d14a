"""Faults of one kind each: disks, rights, loaders, numbers, and checkpoints that lack a part."""

import contextlib
import os
import resource
from dataclasses import dataclass
from pathlib import Path

import torch
from fault_points import Mark

from pqgan.data import batches
from pqgan.engine.run_folder import RunFolder
from pqgan.engine.state import TrainingState
from pqgan.storage import checkpoint
from pqgan.tokenizer import step as tokenizer_step
from pqgan.tokenizer.perceptual import Perceptual
from pqgan.tokenizer.step import TokenizerStep

NOBODY = 65534


def limit_file_size(mark: Mark) -> None:
    """No file of this process may be half as large as the state of a checkpoint."""
    mark()
    sizes = [file.stat().st_size for file in Path("runs").rglob(checkpoint.STATE)]
    resource.setrlimit(resource.RLIMIT_FSIZE, (max(sizes) // 2, resource.RLIM_INFINITY))


@dataclass(frozen=True)
class FillDisk:
    """Leave no byte on the file system of a file that is not there yet."""

    file: Path

    def __call__(self, mark: Mark) -> None:
        mark()
        with contextlib.suppress(OSError), open(self.file, "wb", buffering=0) as filler:
            for size in (1 << 16, 1):
                with contextlib.suppress(OSError):
                    while True:
                        filler.write(bytes(size))


@dataclass(frozen=True)
class LoaderTimeout:
    seconds: int

    def __call__(self, mark: Mark) -> None:
        batches.TIMEOUT = self.seconds
        mark()


@dataclass(frozen=True)
class NotFinite:
    """In one step, the perceptual loss is NaN, or one gradient is infinite, or the discriminator's loss is NaN."""

    where: str
    number: int

    def __call__(self, mark: Mark) -> None:
        original = TokenizerStep.__call__

        def call(step, number, batch):
            if number == self.number:
                mark()
                getattr(self, f"_{self.where}")(step)
            yield from original(step, number, batch)

        TokenizerStep.__call__ = call

    def _loss(self, step: TokenizerStep) -> None:
        original = Perceptual.forward
        Perceptual.forward = lambda perceptual, *images: original(perceptual, *images) * float("nan")

    def _gradient(self, step: TokenizerStep) -> None:
        parameter = next(step.generator.parameters())
        parameter.register_hook(lambda gradient: torch.full_like(gradient, float("inf")))

    def _discriminator(self, step: TokenizerStep) -> None:
        original = tokenizer_step.hinge_discriminator
        tokenizer_step.hinge_discriminator = lambda *logits: original(*logits) * float("nan")


@dataclass(frozen=True)
class DropPrivileges:
    """Before the run folder is claimed, become a user who may write nowhere; nothing to drop for anybody but root."""

    def __call__(self, mark: Mark) -> None:
        original = RunFolder.claim

        def claim(run):
            mark()
            if os.geteuid() == 0:
                os.setgroups([])
                os.setegid(NOBODY)
                os.seteuid(NOBODY)
            return original(run)

        RunFolder.claim = claim


@dataclass(frozen=True)
class LeaveOut:
    """Neither save nor load a part of the state, which keeps the value of a fresh start.

    The part is `step`, or all tensors whose name is or begins so.
    """

    part: str

    def _is(self, name: str) -> bool:
        return f"{name}/".startswith(f"{self.part}/")

    def __call__(self, mark: Mark) -> None:
        write, load = checkpoint.write, TrainingState.load

        def write_less(root, step, tensors, *more):
            kept = {name: tensor for name, tensor in tensors.items() if not self._is(name)}
            if len(kept) < len(tensors) or self.part == "step":
                mark()
            return write(root, step, kept, *more)

        def load_less(state, tensors, step):
            fresh = {name: tensor for name, tensor in state.tensors().items() if self._is(name)}
            load(state, {**tensors, **fresh}, state.step if self.part == "step" else step)

        checkpoint.write, TrainingState.load = write_less, load_less


@dataclass(frozen=True)
class MakeFile:
    """A pickle of this makes a file when it is loaded."""

    path: Path

    def __reduce__(self):
        return Path.touch, (self.path,)
