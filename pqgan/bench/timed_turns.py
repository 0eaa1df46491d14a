"""Seconds and bytes of several ways to do one thing."""

from collections.abc import Callable, Mapping

import torch

from pqgan.engine.timing import Stopwatch

from .peak_flops import synchronise

Work = Callable[[], object]


def in_turns(
    ways: Mapping[str, Work],
    device: torch.device,
    repeats: int,
    patience: float = float("inf"),
    before: Work | None = None,
) -> dict[str, list[float]]:
    """Seconds of the runs of each way, after one of warm-up.

    They take turns, so that a machine that slows down slows all of them.

    Args:
        ways: by name what to run.
        device: whose clock counts.
        repeats: runs of each way.
        patience: seconds; a way whose runs have taken so long has no more of them.
        before: run before each, outside of its time; by default waits for the device, so that no way finds work queued
            by the one before.
    """
    before = before or (lambda: synchronise(device))
    laps: dict[str, list[float]] = {way: [] for way in ways}
    for _ in range(1 + repeats):
        for way, work in ways.items():
            if sum(laps[way]) < patience:
                before()
                laps[way].append(seconds_of(work, device))
    return {way: found[1:] or found for way, found in laps.items()}


def seconds_of(work: Work, device: torch.device) -> float:
    """Seconds of one run, by the device's own clock."""
    stopwatch = Stopwatch(device)
    with stopwatch.lap():
        work()
    return stopwatch.laps()[0]


def added_memory(work: Work, device: torch.device) -> int | None:
    """Most bytes that torch allocates on a GPU for a piece of work, beyond those it held before.

    None on a CPU: what is resident there says as much of what the allocator keeps as of what the work holds.
    """
    if device.type != "cuda":
        return None
    synchronise(device)
    torch.cuda.reset_peak_memory_stats(device)
    before = torch.cuda.memory_allocated(device)
    work()
    synchronise(device)
    return torch.cuda.max_memory_allocated(device) - before
