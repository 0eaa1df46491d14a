"""Residual quantisation (Lee et al., Autoregressive Image Generation using Residual Quantization, CVPR 2022).

A latent vector is replaced by the sum of D codewords of one codebook: the nearest to the vector, the nearest to what is
then left of it, and so on (section 3.1 there). D codes of K words make K^D sums.

As there: one codebook for all depths, and the commitment term over all partial sums, so that each is near the latent;
it is the mean over depths, as in the released code. Unlike there: codewords follow the gradient of a codebook term, as
the product quantiser's do (eq. 1), not a moving average, and unused ones are not drawn anew. A word's gradient at a
depth is towards what was left there, which is what the moving average of the paper follows. With D=1 all of it is the
product quantiser of one subspace.
"""

from typing import Literal

import torch
from torch import Tensor, nn

from .assign import assign
from .base import BetaOn, Quantised, Quantiser, loss_factors
from .matching import search
from .ranges import check_form, check_range

DEEPEST = 1 << 16


class ResidualQuantiser(Quantiser):
    """A codebook that is searched D times.

    Args:
        d: latent channels.
        D: depth: codes per position.
        K: codewords, shared by all depths.
        init: as of ProductQuantiser; beta and beta_on too.

    Raises:
        ValueError: no such depth, or fewer than two codewords.
    """

    kind = "rq"

    def __init__(
        self,
        d: int,
        D: int,
        K: int,
        init: Literal["uniform", "normal"] = "uniform",
        beta: float = 0.25,
        beta_on: BetaOn = "codebook",
    ):
        super().__init__()
        if not (isinstance(D, int) and isinstance(K, int) and 1 <= D <= DEEPEST and K >= 2):
            raise ValueError(f"ResidualQuantiser: D={D!r}, K={K!r}; expected D from 1 to {DEEPEST} and K from 2")
        self.d, self.S, self.K = d, D, K
        self.beta, self.beta_on = beta, beta_on
        self.codebook = nn.Parameter(torch.empty(K, d))
        if init == "uniform":
            nn.init.uniform_(self.codebook, -1 / K, 1 / K)
        else:
            nn.init.normal_(self.codebook)

    def forward(self, z_e: Tensor) -> Quantised:
        self._check_form(z_e)
        with torch.autocast(z_e.device.type, enabled=False):
            z = z_e.float().flatten(2)[:, None]  # (B, 1, d, h w)
            codebooks, factors = self.codebook.float()[None], loss_factors(self.beta, self.beta_on)
            left, z_q, loss, codes = z, torch.zeros_like(z), 0.0, []
            for _ in range(self.S):
                # the distance of z to a partial sum is that of what was left of it to the newest word
                code, word, own = assign(left, codebooks, *factors)
                left, z_q = left - word.detach(), z_q + word.detach()
                codes, loss = [*codes, code], loss + own / self.S
            z_q = z_q + (z - z.detach())  # nothing is added, and the gradient is z's
        return Quantised(z_q.reshape(z_e.shape), torch.cat(codes, dim=1).unflatten(2, z_e.shape[2:]), loss)

    def encode(self, z_e: Tensor) -> Tensor:
        self._check(z_e)
        left, codebook, codes = z_e.detach().float().flatten(2)[:, None], self.codebook.detach().float(), []
        for _ in range(self.S):
            codes.append(search(left, codebook[None]))  # (B, 1, h w)
            left = left - nn.functional.embedding(codes[-1], codebook).transpose(2, 3)
        return torch.cat(codes, dim=1).unflatten(2, z_e.shape[2:])

    def decode(self, codes: Tensor) -> Tensor:
        if codes.dim() != 4:
            raise ValueError(f"decode: got codes {tuple(codes.shape)}; expected (B, {self.S}, h, w)")
        check_form("decode", codes, self.S)
        check_range("decode", codes, self.K)
        first, *others = nn.functional.embedding(codes.long(), self.codebook).unbind(1)  # (B, h, w, d) each
        for word in others:  # in the order of forward: sums round
            first = first + word
        return first.permute(0, 3, 1, 2)

    def nearest(self, z: Tensor) -> Tensor:
        """z itself: searched again word by word, a sum of words is not always found (docs/quantiser.md)."""
        self._check(z)
        return z

    def extra_repr(self) -> str:
        return f"d={self.d}, D={self.S}, K={self.K}"
