"""How much of its codebooks a product quantiser uses: normalised entropy H_n and perplexity P_n (section 4.1, eq. 3).

The paper defines both for one codebook. Over S of them there are two readings (point 15): the mean over subspaces, or
one histogram of all S*K codewords side by side. With one codebook they are the same.
"""

import math
from typing import Literal

import torch
from torch import Tensor, distributed

from .matching import available
from .ranges import check_range, side_by_side

Reading = Literal["mean_over_subspaces", "concatenated"]


class Usage:
    """Exact counts of every codeword over any number of batches and processes.

    Args:
        S: subspaces.
        K: codewords per subspace, at least 2.
        device: that the counts are kept on: the codes', so that counting waits for no copy.

    Attributes:
        counts: (S, K) int64.
    """

    def __init__(self, S: int, K: int, device: torch.device | str = "cpu"):
        self.S, self.K = S, K
        self.counts = torch.zeros(S, K, dtype=torch.int64, device=device)

    def update(self, codes: Tensor) -> None:
        """Count the codes (B, S, h, w) of a batch, of any integer type.

        Raises:
            ValueError: another number of subspaces, or a code outside [0, K): names its subspace and place.
        """
        if codes.dim() != 4 or codes.shape[1] != self.S:
            raise ValueError(f"Usage: got codes {tuple(codes.shape)}; expected (B, {self.S}, h, w)")
        self.counts += histogram(codes.flatten(2), self.K, what="Usage").to(self.counts.device)

    def over_processes(self) -> "Usage":
        """The sum of what all processes of the default group counted; each of them has to ask. Alone, a copy."""
        whole = Usage(self.S, self.K, self.counts.device)
        whole.counts += self.counts
        if distributed.is_available() and distributed.is_initialized():
            distributed.all_reduce(whole.counts)
        return whole

    def entropies(self) -> Tensor:
        """Entropy (S,) float64 of every subspace, in nats; at most log K.

        Raises:
            ValueError: nothing has been counted.
        """
        totals = self.counts.sum(dim=1, keepdim=True)  # (S, 1)
        if not totals.all():
            raise ValueError("Usage: no codes counted; expected at least one update")
        # 0 log 0 = 0
        return torch.special.entr(self.counts.double() / totals).sum(dim=1)

    def H_n_of_subspaces(self) -> Tensor:
        """Normalised entropy (S,) float64 in [0, 1]."""
        return self.entropies() / math.log(self.K)

    def P_n_of_subspaces(self) -> Tensor:
        """Normalised perplexity (S,) float64 in (0, 1]."""
        return self.entropies().exp() / self.K

    def dead_codes_of_subspaces(self) -> Tensor:
        """Share (S,) float64 of codewords that were never used."""
        return (self.counts == 0).double().mean(dim=1)

    def H_n(self, reading: Reading = "mean_over_subspaces") -> float:
        """Normalised entropy in [0, 1]; concatenated, even a collapsed model has log S of the possible log SK."""
        if reading == "mean_over_subspaces":
            return float(self.H_n_of_subspaces().mean())
        mean = float(self.entropies().mean())
        return (math.log(self.S) + mean) / (math.log(self.S) + math.log(self.K))

    def P_n(self, reading: Reading = "mean_over_subspaces") -> float:
        """Perplexity over the number of codewords, in (0, 1]."""
        if reading == "mean_over_subspaces":
            return float(self.P_n_of_subspaces().mean())
        # exp(log S + mean H_s) / (S K)
        return math.exp(float(self.entropies().mean())) / self.K

    def H_n_min(self) -> float:
        """Normalised entropy of the subspace that uses its codebook least."""
        return float(self.H_n_of_subspaces().min())

    def dead_codes(self) -> float:
        """Share of the S*K codewords that were never used."""
        return float(self.dead_codes_of_subspaces().mean())


def histogram(codes: Tensor, K: int, *, found: bool = False, what: str = "histogram") -> Tensor:
    """How often each codeword occurs.

    Args:
        codes: (B, S, P) of any integer type.
        K: codewords per subspace.
        found: by a search in such codebooks, so that they need no check.
        what: is being done, for the message.

    Returns:
        (S, K) int64 on the codes' device.

    Raises:
        ValueError: a code outside [0, K): names its subspace and place.
    """
    if not found:
        check_range(what, codes, K)
    S = codes.shape[1]
    if "triton" in available(codes.device):
        from . import kernels

        return kernels.histogram(codes.long(), K, found=True)
    return torch.bincount(side_by_side(codes.long(), K).flatten(), minlength=S * K).view(S, K)
