"""Seconds and memory of device work."""

import resource
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps

import torch


class Stopwatch:
    """Laps of work on one device: CUDA events, which wait for nothing, or the clock on a CPU."""

    def __init__(self, device: torch.device | str):
        self._cuda = torch.device(device).type == "cuda"
        self._marks: list[tuple] = []

    def _mark(self):
        if not self._cuda:
            return time.perf_counter()
        event = torch.cuda.Event(enable_timing=True)
        event.record()
        return event

    @contextmanager
    def lap(self) -> Iterator[None]:
        """Time a block."""
        start = self._mark()
        yield
        self._marks.append((start, self._mark()))

    def timed(self, function: Callable) -> Callable:
        """The function with a lap around every call."""

        @wraps(function)
        def call(*arguments, **keywords):
            with self.lap():
                return function(*arguments, **keywords)

        return call

    def laps(self) -> list[float]:
        """Seconds of every lap so far; waits for the device."""
        if not self._cuda:
            return [end - start for start, end in self._marks]
        torch.cuda.synchronize()
        return [start.elapsed_time(end) / 1000 for start, end in self._marks]

    def clear(self) -> None:
        """Forget all laps, those of the warm-up."""
        self._marks.clear()


def rounds_to_tf32(device: torch.device) -> bool:
    """Whether fp32 convolutions round their inputs to TF32, as cuDNN's do unless told not to."""
    return device.type == "cuda" and torch.backends.cudnn.allow_tf32


def arithmetic(device: torch.device, dtype: torch.dtype = torch.float32) -> str:
    """What networks of a type compute in."""
    name = {torch.float32: "fp32", torch.bfloat16: "bf16", torch.float16: "fp16"}[dtype]
    return f"{name} (convolutions in TF32)" if dtype == torch.float32 and rounds_to_tf32(device) else name


def device_name(device: torch.device) -> str:
    """The device as tables name it."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"CPU, {torch.get_num_threads()} thread{'s' * (torch.get_num_threads() > 1)}"


def peak_memory(device: torch.device) -> tuple[int, str]:
    """Most bytes used so far, and what they are."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device), "peak allocated on the device, weights included"
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024, "peak resident of the process"
