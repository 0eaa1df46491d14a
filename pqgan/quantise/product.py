"""Product quantisation of latents: the paper's idea, in one layer.

A latent vector of d channels is cut into S sub-vectors of d/S channels, and each is replaced by the nearest of the K
codewords of its own codebook. S=1 is the vector quantisation of VQ-VAE and VQGAN; S=d quantises each channel alone.
S codebooks of K words make K^S combinations, at the cost of storing S*K short words (section 3.1).
"""

from typing import Literal, NamedTuple

import torch
from einops import rearrange
from torch import Tensor, nn

from .assign import assign, found_words, words
from .matching import check_finite, search


class Quantised(NamedTuple):
    """What the layer returns."""

    z_q: Tensor
    """(B, d, h, w); its gradient passes straight through to z_e."""
    codes: Tensor
    """(B, S, h, w) int64."""
    loss: Tensor
    """Scalar: codebook and commitment term of eq. 1."""


class ProductQuantiser(nn.Module):
    """S codebooks side by side.

    Args:
        d: latent channels.
        S: subspaces; divides d.
        K: codewords per subspace.
        init: uniform(-1/K, 1/K), or normal(0, 1) (reading 5).
        beta: factor of the term that beta_on names; the other has factor 1 (reading 7).
        beta_on: the codebook term, as eq. 1 has it, or the commitment term, as VQ-VAE has it.

    Raises:
        ValueError: S does not divide d.
    """

    def __init__(
        self,
        d: int,
        S: int,
        K: int,
        init: Literal["uniform", "normal"] = "uniform",
        beta: float = 0.25,
        beta_on: Literal["codebook", "commitment"] = "codebook",
    ):
        super().__init__()
        if d % S:
            raise ValueError(f"ProductQuantiser: S={S} does not divide d={d}")
        self.d, self.S, self.K = d, S, K
        self.beta, self.beta_on = beta, beta_on
        self.codebooks = nn.Parameter(torch.empty(S, K, d // S))
        if init == "uniform":
            nn.init.uniform_(self.codebooks, -1 / K, 1 / K)
        else:
            nn.init.normal_(self.codebooks)

    def forward(self, z_e: Tensor) -> Quantised:
        """Quantise z_e (B, d, h, w); always in fp32, because rounding moves codes.

        Latents that are not finite make a loss that is not.

        Raises:
            ValueError: another shape or no float type.
        """
        on_codebook, on_latents = (self.beta, 1.0) if self.beta_on == "codebook" else (1.0, self.beta)
        with torch.autocast(z_e.device.type, enabled=False):
            codes, z_q, loss = assign(self._sub_vectors(z_e), self.codebooks.float(), on_codebook, on_latents)
        return Quantised(z_q.reshape(z_e.shape), codes.unflatten(2, z_e.shape[2:]), loss)

    def encode(self, z_e: Tensor) -> Tensor:
        """Codes (B, S, h, w) int64 of latents (B, d, h, w).

        Raises:
            ValueError: another shape or no float type, or a latent is not finite.
        """
        sub_vectors = self._sub_vectors(z_e.detach())
        check_finite(z_e, "latents", "(image, channel, row, column)")
        codes = search(sub_vectors, self.codebooks.detach())  # (B, S, h w)
        return codes.unflatten(2, z_e.shape[2:])

    def _sub_vectors(self, z_e: Tensor) -> Tensor:
        """(B, S, d/S, h w), without a copy in either of PyTorch's memory formats."""
        if z_e.dim() != 4 or z_e.shape[1] != self.d or not z_e.is_floating_point():
            raise ValueError(f"got latents {tuple(z_e.shape)} {z_e.dtype}; expected floats (B, {self.d}, h, w)")
        return z_e.unflatten(1, (self.S, -1)).flatten(3)

    def decode(self, codes: Tensor) -> Tensor:
        """Codewords (B, d, h, w) of codes (B, S, h, w) of any integer type.

        Raises:
            ValueError: no integers, another shape, or a code outside [0, K): names its subspace and place.
        """
        if codes.dim() != 4:
            raise ValueError(f"decode: got codes {tuple(codes.shape)}; expected (B, {self.S}, h, w)")
        return self._side_by_side(words(codes, self.codebooks, "decode"))

    def nearest(self, z_e: Tensor) -> Tensor:
        """Codewords (B, d, h, w) nearest to latents (B, d, h, w), without gradients to them.

        Raises:
            ValueError: as from encode.
        """
        return self._side_by_side(found_words(self.encode(z_e), self.codebooks))

    def _side_by_side(self, words: Tensor) -> Tensor:
        return rearrange(words, "B S h w c -> B (S c) h w")

    def extra_repr(self) -> str:
        return f"d={self.d}, S={self.S}, K={self.K}"
