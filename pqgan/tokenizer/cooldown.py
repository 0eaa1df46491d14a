"""A learning rate that falls at the end of a training: a small network around a fitted start ends on its best."""

from collections.abc import Iterable, Iterator
from typing import Any

import torch

from pqgan.engine.loop import Step, Update


def cooled(step: Step, optimisers: Iterable[torch.optim.Optimizer], steps: int, updates: int | None) -> Step:
    """A step whose optimisers' rates fall linearly over the last updates, to 1/updates of what they were.

    The rate depends on the number of the step alone, so that an interrupted training goes on as it would have.

    Args:
        step: of the training.
        optimisers: with the rates of all steps before.
        steps: of the training.
        updates: over which rates fall; None where they stay.
    """
    if updates is None:
        return step
    groups = [(group, group["lr"]) for optimiser in optimisers for group in optimiser.param_groups]

    def slower(number: int, batch: Any) -> Iterator[Update]:
        for group, rate in groups:
            group["lr"] = rate * min(1.0, (steps - number) / updates)
        return step(number, batch)

    return slower
