"""Product quantisation of latents: the paper's idea, in one layer.

A latent vector of d channels is cut into S sub-vectors of d/S channels, and each is replaced by the nearest of the K
codewords of its own codebook. S=1 is the vector quantisation of VQ-VAE and VQGAN; S=d quantises each channel alone.
S codebooks of K words make K^S combinations, at the cost of storing S*K short words (section 3.1).
"""

from typing import Literal

import torch
from einops import rearrange
from torch import Tensor, nn

from .assign import assign, found_words, words
from .base import BetaOn, Quantised, Quantiser, loss_factors
from .matching import search


class ProductQuantiser(Quantiser):
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

    kind = "pq"

    def __init__(
        self,
        d: int,
        S: int,
        K: int,
        init: Literal["uniform", "normal"] = "uniform",
        beta: float = 0.25,
        beta_on: BetaOn = "codebook",
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
        """As of every quantiser; latents that are not finite make a loss that is not."""
        self._check_form(z_e)
        with torch.autocast(z_e.device.type, enabled=False):
            factors = loss_factors(self.beta, self.beta_on)
            codes, z_q, loss = assign(self._sub_vectors(z_e), self.codebooks.float(), *factors)
        return Quantised(z_q.reshape(z_e.shape), codes.unflatten(2, z_e.shape[2:]), loss)

    def encode(self, z_e: Tensor) -> Tensor:
        self._check(z_e)
        codes = search(self._sub_vectors(z_e.detach()), self.codebooks.detach())  # (B, S, h w)
        return codes.unflatten(2, z_e.shape[2:])

    def _sub_vectors(self, z_e: Tensor) -> Tensor:
        """(B, S, d/S, h w), without a copy in either of PyTorch's memory formats."""
        return z_e.unflatten(1, (self.S, -1)).flatten(3)

    def decode(self, codes: Tensor) -> Tensor:
        if codes.dim() != 4:
            raise ValueError(f"decode: got codes {tuple(codes.shape)}; expected (B, {self.S}, h, w)")
        return self._side_by_side(words(codes, self.codebooks, "decode"))

    def quantise(self, z_e: Tensor) -> Tensor:
        # codes that the search found need no check
        return self._side_by_side(found_words(self.encode(z_e), self.codebooks))

    def nearest(self, z: Tensor) -> Tensor:
        """The codewords nearest to z."""
        return self.quantise(z)

    def _side_by_side(self, words: Tensor) -> Tensor:
        return rearrange(words, "B S h w c -> B (S c) h w")

    def extra_repr(self) -> str:
        return f"d={self.d}, S={self.S}, K={self.K}"
