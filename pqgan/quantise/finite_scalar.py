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

from .base import Quantised, Quantiser
from .ranges import check_form, check_range

EPSILON = 1e-3
"""What the bound stays below the outermost levels, of half their number, so that rounding never leaves them."""
LARGEST_K = 1 << 24
"""As of code files."""


class FiniteScalarQuantiser(Quantiser):
    """Rounding.

    Args:
        d: latent channels.
        levels: of each channel, at least 2; the paper advises 5 or more.

    Raises:
        ValueError: no such levels, not one for each channel, or more than LARGEST_K codes.
    """

    kind = "fsq"

    def __init__(self, d: int, levels: Sequence[int]):
        super().__init__()
        if len(levels) != d or not all(isinstance(level, int) and level >= 2 for level in levels):
            raise ValueError(f"FiniteScalarQuantiser: levels={levels}; expected {d}, one per channel, of 2 or more")
        if (K := prod(levels)) > LARGEST_K:
            raise ValueError(f"FiniteScalarQuantiser: levels={levels} make {K:,} codes; allowed: {LARGEST_K:,}")
        self.d, self.S, self.K, self.levels = d, 1, K, tuple(levels)
        steps = torch.tensor([prod(levels[:channel]) for channel in range(d)])
        # whole numbers, which a change of the model's type leaves alone
        self.register_buffer("_levels", torch.tensor(self.levels).view(d, 1, 1), persistent=False)
        self.register_buffer("_steps", steps.view(d, 1, 1), persistent=False)

    def forward(self, z_e: Tensor) -> Quantised:
        self._check_form(z_e)
        with torch.autocast(z_e.device.type, enabled=False):
            bounded = self._bound(z_e.float())  # (B, d, h, w)
            rounded = bounded.detach().round()
            # nothing is added, and the gradient is that of the bound
            z_q = (rounded + (bounded - bounded.detach())) / self._half
        return Quantised(z_q, self._codes(rounded), torch.zeros((), device=z_e.device))

    def encode(self, z_e: Tensor) -> Tensor:
        self._check(z_e)
        return self._codes(self._bound(z_e.detach().float()).round())

    def decode(self, codes: Tensor) -> Tensor:
        if codes.dim() != 4:
            raise ValueError(f"decode: got codes {tuple(codes.shape)}; expected (B, 1, h, w)")
        check_form("decode", codes, 1)
        check_range("decode", codes, self.K)
        levels = codes.long() // self._steps % self._levels  # (B, d, h, w)
        return (levels - self._half).float() / self._half

    def nearest(self, z: Tensor) -> Tensor:
        """The levels nearest to z, which is on their scale: unlike an encoder's latents it was bounded before."""
        self._check(z)
        levels = (z.detach().float() * self._half).round() + self._half
        return (levels.clamp(min=torch.zeros_like(self._levels), max=self._levels - 1) - self._half) / self._half

    @property
    def _half(self) -> Tensor:
        return self._levels // 2

    def _bound(self, z: Tensor) -> Tensor:
        """Within the levels, which are the whole numbers from -(L // 2) on, of z (B, d, h, w) float32."""
        furthest = (self._levels - 1) * (1 - EPSILON) / 2
        offset = (1 - self._levels % 2) / 2
        return torch.tanh(z + torch.tan(offset / furthest)) * furthest - offset

    def _codes(self, rounded: Tensor) -> Tensor:
        """(B, 1, h, w) of whole numbers (B, d, h, w)."""
        return ((rounded.long() + self._half) * self._steps).sum(dim=1, keepdim=True)

    def extra_repr(self) -> str:
        return f"levels={self.levels}"
