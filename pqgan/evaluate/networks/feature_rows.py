"""Single features of many images, held once."""

import torch
from torch import Tensor

CHUNK = 4096
"""Rows allocated at a time: 32 MiB of InceptionV3's, which the C library hands back as soon as they are freed."""


class Rows:
    """Vectors (n, D) in float32, batch by batch.

    A list of batches would do, but for the memory: small blocks stay with the process after they are freed, so that
    putting them together would take twice the room.

    Args:
        dimension: D.
        device: to keep them on.

    Attributes:
        n: vectors so far.
    """

    def __init__(self, dimension: int, device: torch.device | str = "cpu"):
        self.n = 0
        self.dimension = dimension
        self.device = torch.device(device)
        self._chunks: list[Tensor] = []
        self._room = 0  # in the last chunk

    def update(self, features: Tensor) -> None:
        """Add vectors (B, D) of any floating type."""
        while len(features):
            if not self._room:
                self._chunks.append(torch.empty(CHUNK, self.dimension, device=self.device))
                self._room = CHUNK
            taken = min(self._room, len(features))
            start = CHUNK - self._room
            self._chunks[-1][start : start + taken] = features[:taken]
            features = features[taken:]
            self._room -= taken
            self.n += taken

    def take(self) -> Tensor:
        """All (n, D), as one tensor; nothing is left."""
        whole = torch.empty(self.n, self.dimension, device=self.device)
        start = 0
        while self._chunks:
            chunk = self._chunks.pop(0)[: self.n - start]
            whole[start : start + len(chunk)] = chunk
            start += len(chunk)
        self.n = self._room = 0
        return whole

    def whole(self) -> Tensor:
        """All (n, D), as one tensor, which stays."""
        whole = self.take()
        self.n, self._chunks = len(whole), [whole]
        return whole
