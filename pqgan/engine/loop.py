"""The only training loop: batch, step, log."""

import json
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from tqdm import tqdm

from pqgan.errors import NumericalError


def finite(losses: dict[str, Tensor], step: int) -> None:
    """Stop a step before its optimiser touches the weights.

    Raises:
        NumericalError: a loss is NaN or infinite; names which.
    """
    values = torch.stack([loss.detach().float().mean() for loss in losses.values()])
    if not values.isfinite().all():
        shown = ", ".join(f"{name}={value:.4g}" for name, value in zip(losses, values.tolist(), strict=True))
        raise NumericalError(f"step {step + 1}: not finite: {shown}; lower the learning rate or raise the precision")


def fit(
    step: Callable[[int, Any], dict[str, Tensor]],
    batches: Iterable[tuple[int, Any]],
    *,
    steps: int,
    log_every: int,
    folder: Path,
    name: str,
) -> None:
    """Run `step` on every batch; append mean losses to `folder/train.jsonl` and show progress.

    Args:
        step: takes (number from 0, batch), updates the weights, returns its losses as scalars.
        batches: (number, batch) pairs in order.
        steps: total number of updates, for the bar.
        log_every: updates a line of train.jsonl covers.
        folder: where train.jsonl goes.
        name: what the progress bar says.
    """
    writes = not torch.distributed.is_initialized() or torch.distributed.get_rank() == 0
    terminal = sys.stderr.isatty()
    sums: dict[str, Tensor] = {}
    counted, since = 0, time.perf_counter()
    with (
        tqdm(total=steps, desc=name, unit="step", disable=not (terminal and writes)) as bar,
        open(folder / "train.jsonl" if writes else "/dev/null", "a") as log,
    ):
        for number, batch in batches:
            losses = step(number, batch)
            for key, loss in losses.items():
                sums[key] = sums.get(key, 0) + loss.detach().float().mean()
            counted += 1
            bar.update()
            if (number + 1) % log_every == 0 or number + 1 == steps:
                seconds = time.perf_counter() - since
                means = {key: float(total) / counted for key, total in sums.items()}
                log.write(json.dumps({"step": number + 1, **means, "seconds": round(seconds, 4)}) + "\n")
                log.flush()
                bar.set_postfix({key: f"{mean:.3g}" for key, mean in means.items()})
                if writes and not terminal:
                    shown = " ".join(f"{key}={mean:.4g}" for key, mean in means.items())
                    print(f"{name} step {number + 1}/{steps} {shown} {counted / seconds:.2f} steps/s", flush=True)
                sums, counted, since = {}, 0, time.perf_counter()
