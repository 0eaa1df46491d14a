"""What the paper claims, each as contrasts of planned configurations; scales are never named."""

from collections.abc import Callable
from dataclasses import dataclass

from . import sweep, versus
from .contrasts import FAILS, HOLDS, OPEN, together
from .evidence import Evidence
from .findings import Finding

CLAIMS: dict[str, Callable[[Evidence], list[Finding]]] = {
    "VQ gets worse as d grows (Figure 3)": sweep.vq_falls_with_d,
    "PQ gets better as d grows (Figure 3)": sweep.pq_rises_with_d,
    "Gains from S saturate near S = d/2 (Figure 3)": sweep.saturation,
    "K matters little next to S (Figure 3)": sweep.codewords_next_to_subspaces,
    "PQ at F=16 beats VQ at F=8 (Table 1)": versus.coarse_pq_over_fine_vq,
    "PQ beats the KL autoencoder of the same trunk (Table 1)": versus.pq_over_kl,
    "H_n rises with S and hardly moves with K (Figure 6)": sweep.entropy,
    "P_n falls as K grows (Figure 6)": sweep.perplexity,
    "Matching costs little at S = 64 (appendix B); little is below 10 %, a threshold of our own": versus.matching,
}
"""What the paper says -> its contrasts."""


@dataclass(frozen=True)
class Claim:
    """A claim with what it was tested on."""

    text: str
    findings: list[Finding]

    @property
    def verdict(self) -> str:
        return together(finding.verdict for finding in self.findings)


def claims(evidence: Evidence) -> list[Claim]:
    """All of them, tested."""
    return [Claim(text, test(evidence)) for text, test in CLAIMS.items()]


def summary(tested: list[Claim]) -> str:
    """How many of them hold."""
    verdicts = [claim.verdict for claim in tested]
    held, failed, undecided = map(verdicts.count, (HOLDS, FAILS, OPEN))
    return f"Claims that hold: {held}; that do not hold: {failed}; {OPEN}: {undecided}."
