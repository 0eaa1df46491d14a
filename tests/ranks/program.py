"""A pqgan command as each process of a job runs it, watched or disturbed: program.py WHAT FILE COMMAND..."""

import os
import signal
import sys
from pathlib import Path

import torch

from pqgan import cli
from pqgan.engine import loop
from pqgan.tokenizer.perceptual import Perceptual
from pqgan.tokenizer.step import TokenizerStep

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


def record_codebooks(file: Path) -> None:
    """Keep the codebooks that each process starts from, and has after every step."""
    original, seen = TokenizerStep.__call__, []

    def watched(step, number, batch):
        codebooks = step.generator.module.model.quantiser.codebooks
        seen.extend([] if seen else [codebooks.detach().clone()])
        yield from original(step, number, batch)
        seen.append(codebooks.detach().clone())
        torch.save(seen, file.with_name(f"{file.name}-{RANK}"))

    TokenizerStep.__call__ = watched


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
elif what == "codebooks":
    record_codebooks(Path(file))
else:
    disturb(Path(file), what)
sys.exit(cli.main(command))
