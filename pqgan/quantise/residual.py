"""Residual quantisation (Lee et al., Autoregressive Image Generation using Residual Quantization, CVPR 2022).

A latent vector is replaced by the sum of D codewords of one codebook: the nearest to the vector, the nearest to what is
then left of it, and so on (section 3.1 there). D codes of K words make K^D sums.

As there: one codebook for all depths, and the commitment term over all partial sums, so that each is near the latent;
it is the mean over depths, as in the released code. Unlike there: codewords follow the gradient of a codebook term, as
the product quantiser's do (eq. 1), not a moving average, and unused ones are not drawn anew. A word's gradient at a
depth is towards what was left there, which is what the moving average of the paper follows. With D=1 all of it is the
product quantiser of one subspace.
"""

import torch
from torch import Tensor, nn

from .assign import assign
from .base import BetaOn, Init, Quantised, Quantiser, check_training, loss_factors, start, true_or_false, whole_number
from .matching import search
from .ranges import checked

DEEPEST = 1 << 16


class ResidualQuantiser(Quantiser):
    """A codebook that is searched D times.

    Args:
        d: latent channels.
        D: depth: codes per position.
        K: codewords, shared by all depths.
        init: as of ProductQuantiser; beta, beta_on and channel_last too.

    Raises:
        ValueError: an option is none of those: no such depth, or fewer than two codewords.
    """

    kind = "rq"

    def __init__(
        self,
        d: int,
        D: int,
        K: int,
        init: Init = "uniform",
        beta: float = 0.25,
        beta_on: BetaOn = "codebook",
        channel_last: bool = False,
    ):
        super().__init__()
        self.d = whole_number("ResidualQuantiser", "d", d, 1)
        self.S = whole_number("ResidualQuantiser", "D", D, 1, DEEPEST)
        self.K = whole_number("ResidualQuantiser", "K", K, 2)
        check_training("ResidualQuantiser", init, beta, beta_on)
        self.beta, self.beta_on = beta, beta_on
        self.channel_last = true_or_false("ResidualQuantiser", "channel_last", channel_last)
        self.codebook = nn.Parameter(torch.empty(self.K, self.d))
        start(self.codebook, self.K, init)

    def _assign(self, z: Tensor) -> Quantised:
        z = z.float()[:, None]  # (B, 1, d, P)
        codebooks, factors = self.codebook.float()[None], loss_factors(self.beta, self.beta_on)
        left, z_q, loss, codes = z, torch.zeros_like(z), 0.0, []
        for _ in range(self.S):
            # the distance of z to a partial sum is that of what was left of it to the newest word
            code, word, own = assign(left, codebooks, *factors)
            left, z_q = left - word.detach(), z_q + word.detach()
            codes, loss = [*codes, code], loss + own / self.S
        z_q = z_q + (z - z.detach())  # nothing is added, and the gradient is z's
        return Quantised(z_q[:, 0], torch.cat(codes, dim=1), loss)

    def _encode(self, z: Tensor) -> Tensor:
        left, codebook, codes = z.detach().float()[:, None], self.codebook.detach().float(), []
        for _ in range(self.S):
            codes.append(search(left, codebook[None]))  # (B, 1, P)
            left = left - nn.functional.embedding(codes[-1], codebook).transpose(2, 3)
        return torch.cat(codes, dim=1)

    def _decode(self, codes: Tensor) -> Tensor:
        codes = checked("decode", codes, self.K)
        first, *others = nn.functional.embedding(codes, self.codebook).unbind(1)  # (B, ..., d) each
        for word in others:  # in the order of training: sums round
            first = first + word
        return first.movedim(-1, 1)

    def _nearest(self, z: Tensor) -> Tensor:
        """z itself: searched again word by word, a sum of words is not always found (docs/quantiser.md)."""
        return z

    def extra_repr(self) -> str:
        return f"d={self.d}, D={self.S}, K={self.K}"
