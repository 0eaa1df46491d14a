"""Finite scalar quantisation (Mentzer et al., Finite Scalar Quantization: VQ-VAE Made Simple, ICLR 2024).

Every channel is bounded by a tanh and rounded to one of a few whole numbers; there is no codebook to train and no loss.
All of it is the listing of appendix A.1 there: the bound, which for an even number of levels is shifted by half a level
so that they lie at whole numbers, the gradient straight through the rounding, the division by half the levels, which
brings z_q to [-1, 1], and one code per position, in which the first channel's level counts least.
"""

from collections.abc import Sequence
from math import prod

import torch
from torch import Tensor

from .base import Quantised, Quantiser, true_or_false, whole_number
from .ranges import checked

EPSILON = 1e-3
"""What the bound stays below the outermost levels, of half their number, so that rounding never leaves them."""
LARGEST_K = 1 << 24
"""As of code files."""


class FiniteScalarQuantiser(Quantiser):
    """Rounding.

    Args:
        d: latent channels.
        levels: of each channel, at least 2; the paper advises 5 or more.
        channel_last: as of ProductQuantiser.

    Raises:
        ValueError: no such levels, not one for each channel, more than LARGEST_K codes, or channel_last is no bool.
    """

    kind = "fsq"

    def __init__(self, d: int, levels: Sequence[int], channel_last: bool = False):
        super().__init__()
        self.d = whole_number("FiniteScalarQuantiser", "d", d, 1)
        if len(levels) != d or not all(isinstance(level, int) and level >= 2 for level in levels):
            raise ValueError(f"FiniteScalarQuantiser: levels={levels}; expected {d}, one per channel, of 2 or more")
        if (K := prod(levels)) > LARGEST_K:
            raise ValueError(f"FiniteScalarQuantiser: levels={levels} make {K:,} codes; allowed: {LARGEST_K:,}")
        self.S, self.K, self.levels = 1, K, tuple(levels)
        self.channel_last = true_or_false("FiniteScalarQuantiser", "channel_last", channel_last)
        steps = torch.tensor([prod(levels[:channel]) for channel in range(d)])
        # whole numbers, which a change of the model's type leaves alone
        self.register_buffer("_levels", torch.tensor(self.levels).view(d, 1), persistent=False)
        self.register_buffer("_steps", steps.view(d, 1), persistent=False)

    def _assign(self, z: Tensor) -> Quantised:
        bounded = self._bound(z.float())  # (B, d, P)
        rounded = bounded.detach().round()
        # nothing is added, and the gradient is that of the bound
        z_q = (rounded + (bounded - bounded.detach())) / self._half
        return Quantised(z_q, self._codes(rounded), torch.zeros((), device=z.device))

    def _encode(self, z: Tensor) -> Tensor:
        return self._codes(self._bound(z.detach().float()).round())

    def _decode(self, codes: Tensor) -> Tensor:
        levels = checked("decode", codes, self.K).unsqueeze(-1).flatten(2) // self._steps % self._levels  # (B, d, P)
        z_q = (levels - self._half).float() / self._half
        return z_q.reshape(len(codes), self.d, *codes.shape[2:])

    def _nearest(self, z: Tensor) -> Tensor:
        """The levels nearest to z, which is on their scale: unlike an encoder's latents it was bounded before."""
        levels = (z.detach().float() * self._half).round() + self._half
        return (levels.clamp(min=torch.zeros_like(self._levels), max=self._levels - 1) - self._half) / self._half

    @property
    def _half(self) -> Tensor:
        return self._levels // 2

    def _bound(self, z: Tensor) -> Tensor:
        """Within the levels, which are the whole numbers from -(L // 2) on, of z (B, d, P) float32."""
        furthest = (self._levels - 1) * (1 - EPSILON) / 2
        offset = (1 - self._levels % 2) / 2
        return torch.tanh(z + torch.tan(offset / furthest)) * furthest - offset

    def _codes(self, rounded: Tensor) -> Tensor:
        """(B, 1, P) of whole numbers (B, d, P)."""
        return ((rounded.long() + self._half) * self._steps).sum(dim=1, keepdim=True)

    def extra_repr(self) -> str:
        return f"levels={self.levels}"
