"""Randomness as a function of (seed, step, stream): nothing to save, nothing that depends on worker counts."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch


def seed_at(seed: int, step: int, stream: str) -> int:
    """A 63-bit seed, independent between steps and streams."""
    digest = hashlib.sha256(f"{seed}/{step}/{stream}".encode()).digest()
    return int.from_bytes(digest[:8], "little") >> 1


def rng_at(seed: int, step: int, stream: str) -> np.random.Generator:
    """A fresh numpy generator for one stream (crops, order, ...) of one step."""
    return np.random.default_rng(seed_at(seed, step, stream))


def generator_at(seed: int, step: int, stream: str, device: "torch.device | str" = "cpu") -> "torch.Generator":
    """A fresh torch generator for one stream (noise, timesteps, initial weights, ...) of one step."""
    import torch  # data preparation draws its crops from rng_at and must not pay for torch

    return torch.Generator(device=device).manual_seed(seed_at(seed, step, stream))


@contextmanager
def seeded(seed: int, stream: str) -> Iterator[None]:
    """Weights initialised inside depend on (seed, stream) alone; the global generator is left as it was."""
    import torch

    with torch.random.fork_rng(devices=[]):
        # the CPU's alone: torch.manual_seed would seed every GPU too, and fork_rng would not put those back
        torch.default_generator.manual_seed(seed_at(seed, 0, stream))
        yield
