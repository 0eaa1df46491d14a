"""Settings of a tokenizer -> the diffusers model, with seeded weights."""

from typing import TYPE_CHECKING

from pqgan.randomness import seeded
from pqgan.settings import Reading
from pqgan.settings.configurations import AnyConfig
from pqgan.settings.trunk import Trunk

from .kinds import BY_NETWORK

if TYPE_CHECKING:
    from torch import nn


def build(config: AnyConfig, trunk: Trunk | None, reading: Reading, seed: int) -> "nn.Module":
    """A freshly initialised tokenizer; the global generator is left as it was. A linear one has no trunk."""
    with seeded(seed, "tokenizer weights"):
        return BY_NETWORK[config.network].build(config, trunk, reading)
