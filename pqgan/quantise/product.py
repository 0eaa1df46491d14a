"""Product quantisation of latents: the paper's idea, in one layer.

A latent vector of d channels is cut into S sub-vectors of d/S channels, and each is replaced by the nearest of the K
codewords of its own codebook. S=1 is the vector quantisation of VQ-VAE and VQGAN; S=d quantises each channel alone.
S codebooks of K words make K^S combinations, at the cost of storing S*K short words (section 3.1).
"""

import torch
from einops import rearrange
from torch import Tensor, nn

from .assign import assign, found_words, words
from .base import BetaOn, Init, Quantised, Quantiser, check_training, loss_factors, start, true_or_false, whole_number
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
        channel_last: latents are (B, ..., d) and codes (B, ..., S), in place of (B, d, ...) and (B, S, ...).

    Raises:
        ValueError: an option is none of those, or S does not divide d.
    """

    kind = "pq"

    def __init__(
        self,
        d: int,
        S: int,
        K: int,
        init: Init = "uniform",
        beta: float = 0.25,
        beta_on: BetaOn = "codebook",
        channel_last: bool = False,
    ):
        super().__init__()
        self.d = whole_number("ProductQuantiser", "d", d, 1)
        self.S = whole_number("ProductQuantiser", "S", S, 1)
        self.K = whole_number("ProductQuantiser", "K", K, 2)
        if d % S:
            raise ValueError(f"ProductQuantiser: S={S} does not divide d={d}")
        check_training("ProductQuantiser", init, beta, beta_on)
        self.beta, self.beta_on = beta, beta_on
        self.channel_last = true_or_false("ProductQuantiser", "channel_last", channel_last)
        self.codebooks = nn.Parameter(torch.empty(self.S, self.K, self.d // self.S))
        start(self.codebooks, self.K, init)

    def _assign(self, z: Tensor) -> Quantised:
        """As of every quantiser; latents that are not finite make a loss that is not."""
        factors = loss_factors(self.beta, self.beta_on)
        codes, z_q, loss = assign(self._sub_vectors(z), self.codebooks.float(), *factors)
        return Quantised(z_q.flatten(1, 2), codes, loss)

    def _encode(self, z: Tensor) -> Tensor:
        return search(self._sub_vectors(z.detach()), self.codebooks.detach())

    def _sub_vectors(self, z: Tensor) -> Tensor:
        """(B, S, d/S, P), without a copy."""
        return z.unflatten(1, (self.S, self.d // self.S))

    def _decode(self, codes: Tensor) -> Tensor:
        return self._side_by_side(words(codes, self.codebooks, "decode"))

    def _quantise(self, z: Tensor) -> Tensor:
        # codes that the search found need no check
        return self._side_by_side(found_words(self._encode(z), self.codebooks))

    def _nearest(self, z: Tensor) -> Tensor:
        """The codewords nearest to z."""
        return self._quantise(z)

    def _side_by_side(self, words: Tensor) -> Tensor:
        return rearrange(words, "B S ... c -> B (S c) ...")

    def extra_repr(self) -> str:
        return f"d={self.d}, S={self.S}, K={self.K}"
