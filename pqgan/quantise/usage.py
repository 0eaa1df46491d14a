"""How much of its codebooks a product quantiser uses: normalised entropy H_n and normalised perplexity P_n (eq. 3).

The paper defines both for one codebook. Over S of them there are two readings (point 15): the mean over subspaces, or
one histogram of all S*K codewords side by side. With one codebook they are the same.
"""

import math
from typing import Literal

import torch
from torch import Tensor

Reading = Literal["mean_over_subspaces", "concatenated"]


class Usage:
    """Exact counts of every codeword over any number of batches.

    Args:
        S: subspaces.
        K: codewords per subspace, at least 2.

    Attributes:
        counts: (S, K) int64.
    """

    def __init__(self, S: int, K: int):
        self.S, self.K = S, K
        self.counts = torch.zeros(S, K, dtype=torch.int64)

    def update(self, codes: Tensor) -> None:
        """Count the codes (B, S, h, w) of a batch.

        Raises:
            ValueError: another number of subspaces, or a code outside [0, K).
        """
        if codes.dim() != 4 or codes.shape[1] != self.S:
            raise ValueError(f"Usage: got codes {tuple(codes.shape)}; expected (B, {self.S}, h, w)")
        codes = codes.long()
        if codes.numel() and not 0 <= int(codes.min()) <= int(codes.max()) < self.K:
            raise ValueError(f"Usage: got codes from {codes.min()} to {codes.max()}; expected 0 to {self.K - 1}")
        first = torch.arange(self.S, device=codes.device).view(1, -1, 1, 1) * self.K
        flat = (codes + first).flatten()  # (B S h w), each subspace in its own range of K
        self.counts += torch.bincount(flat, minlength=self.S * self.K).view(self.S, self.K).cpu()

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

    def H_n(self, reading: Reading = "mean_over_subspaces") -> float:
        """Normalised entropy in [0, 1]; concatenated, even a collapsed model has log S of the possible log SK."""
        mean = float(self.entropies().mean())
        if reading == "mean_over_subspaces":
            return mean / math.log(self.K)
        return (math.log(self.S) + mean) / (math.log(self.S) + math.log(self.K))

    def P_n(self, reading: Reading = "mean_over_subspaces") -> float:
        """Perplexity over the number of codewords, in (0, 1]."""
        entropies = self.entropies()
        if reading == "mean_over_subspaces":
            return float(entropies.exp().mean()) / self.K
        # exp(log S + mean H_s) / (S K)
        return math.exp(float(entropies.mean())) / self.K

    def H_n_min(self) -> float:
        """Normalised entropy of the subspace that uses its codebook least."""
        return float(self.entropies().min()) / math.log(self.K)

    def dead_codes(self) -> float:
        """Share of the S*K codewords that were never used."""
        return float((self.counts == 0).double().mean())
