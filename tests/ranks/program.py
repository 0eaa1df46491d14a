"""A pqgan command as each process of a job runs it, watched or disturbed: program.py WHAT FILE COMMAND..."""

import os
import signal
import sys
from pathlib import Path

import torch

from pqgan import cli
from pqgan.engine import loop
from pqgan.tokenizer.perceptual import Perceptual

RANK = int(os.environ.get("LOCAL_RANK", "0"))
NUMBER = 3
"""The call that is disturbed."""


def record_gradients(file: Path) -> None:
    """Keep the gradients that the first updates' optimisers see."""
    original, seen = loop.gradient_norm, []

    def watched(parameters):
        parameters = list(parameters)
        if len(seen) < 2:
            seen.append([None if p.grad is None else p.grad.clone() for p in parameters])
            if RANK == 0:
                torch.save(seen, file)
        return original(parameters)

    loop.gradient_norm = watched


def disturb(file: Path, what: str) -> None:
    """Let NaN or a signal come to the second process alone."""
    original, calls = Perceptual.forward, []

    def disturbed(self, images, others):
        calls.append(1)
        distances = original(self, images, others)
        if RANK == 1 and len(calls) == NUMBER:
            file.touch()
            if what == "nan":
                return distances * float("nan")
            os.kill(os.getpid(), signal.SIGTERM)
        return distances

    Perceptual.forward = disturbed


what, file, *command = sys.argv[1:]
if what == "record":
    record_gradients(Path(file))
else:
    disturb(Path(file), what)
sys.exit(cli.main(command))
