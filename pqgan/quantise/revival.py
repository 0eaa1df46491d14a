"""Upkeep of codebooks beside gradient steps: new words for those nobody chooses.

It is not in the paper; a training does it only where it is asked to.
"""

import torch
from einops import rearrange
from torch import Tensor, nn


def sub_vectors_at(z_e: Tensor, S: int, places: Tensor, first: int = 0) -> Tensor:
    """Sub-vectors (S, n, d/S), float32, that latents have at some places.

    Args:
        z_e: (B, d, h, w), one device's part of a batch.
        S: subspaces.
        places: (n,) in the order (B h w) of the whole batch.
        first: place of this part's first one; the result is zero at the places of other parts.
    """
    flat = rearrange(z_e, "B (S c) h w -> S (B h w) c", S=S)
    here = places - first
    found = flat[:, here.clamp(0, flat.shape[1] - 1)].float()  # (S, n, c)
    return found.masked_fill_(((here < 0) | (here >= flat.shape[1]))[:, None], 0)


class IdleCodes(nn.Module):
    """How long each codeword has been without use. A module, so that a training can save it; no part of a model.

    Args:
        S: subspaces.
        K: codewords per subspace.
        after: updates without being chosen that make a codeword dead.

    Attributes:
        idle: (S, K) int64, updates since a codeword was chosen last, or since it was found dead.
    """

    def __init__(self, S: int, K: int, after: int):
        super().__init__()
        self.after = after
        self.register_buffer("idle", torch.zeros(S, K, dtype=torch.int64))

    def count(self, uses: Tensor) -> Tensor:
        """Count an update in.

        Args:
            uses: (S, K) integers, how often each codeword was chosen, on however many devices.

        Returns:
            (S, K) bool: dead codewords, whose count starts again.
        """
        self.idle.add_(1).masked_fill_(uses > 0, 0)
        dead = self.idle >= self.after
        self.idle.masked_fill_(dead, 0)
        return dead


@torch.no_grad()
def replace(codebooks: nn.Parameter, dead: Tensor, vectors: Tensor, optimiser: torch.optim.Optimizer) -> None:
    """Put vectors (S, K, c) in the place of dead (S, K) codewords, and forget the gradients that moved those.

    Args:
        codebooks: (S, K, c).
        dead: bool.
        vectors: of which those of dead codewords are used.
        optimiser: the one that owns the codebooks. Its state (moments of Adam) of replaced codewords becomes zero.
    """
    dead = dead[..., None]  # (S, K, 1)
    codebooks.copy_(torch.where(dead, vectors, codebooks))
    for moment in optimiser.state[codebooks].values():
        if moment.shape == codebooks.shape:
            moment.masked_fill_(dead, 0)
