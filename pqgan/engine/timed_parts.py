"""Where the time of a step goes: parts that carry a name, timed only while somebody measures."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch

from .timing import Stopwatch

_stopwatches: dict[str, Stopwatch] | None = None


@contextmanager
def timed_part(name: str) -> Iterator[None]:
    """A part of a step, as a block or as the decorator of a method; a name may come several times a step."""
    if _stopwatches is None:
        yield
    else:
        with _stopwatches[name].lap():
            yield


@contextmanager
def timing_parts(device: torch.device) -> Iterator[Mapping[str, Stopwatch]]:
    """Time every part that is entered before the block ends, by name."""
    global _stopwatches
    _stopwatches = stopwatches = defaultdict(lambda: Stopwatch(device))
    try:
        yield stopwatches
    finally:
        _stopwatches = None
