"""Random numbers of a step that do not depend on the number of devices."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from pqgan.randomness import generator_at

if TYPE_CHECKING:
    from lightning_fabric import Fabric


class Draws:
    """Random numbers of a step as a function of (seed, step, stream).

    They are drawn for the whole batch and this process keeps its rows.
    """

    def __init__(self, fabric: "Fabric", seed: int):
        self.device, self.rank, self.world = fabric.device, fabric.global_rank, fabric.world_size
        self.seed = seed

    def _rows(self, draw: Callable, number: int, stream: str, shape: tuple[int, ...]) -> Tensor:
        whole = (shape[0] * self.world, *shape[1:])
        generator = generator_at(self.seed, number, stream, self.device)
        return draw(whole, generator=generator, device=self.device)[self.rank * shape[0] :][: shape[0]]

    def normal(self, number: int, stream: str, shape: tuple[int, ...]) -> Tensor:
        return self._rows(torch.randn, number, stream, tuple(shape))

    def uniform(self, number: int, stream: str, rows: int) -> Tensor:
        """(rows,) in [0, 1)."""
        return self._rows(torch.rand, number, stream, (rows,))

    def integers(self, number: int, stream: str, rows: int, high: int) -> Tensor:
        """(rows,) int64 in [0, high)."""
        return self._rows(lambda shape, **options: torch.randint(high, shape, **options), number, stream, (rows,))
