"""What the paper claims, each with its place in the paper and its tests; scales are never named."""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from pqgan.settings.names import BASELINE
from pqgan.settings.scale import Scale

from . import baselines, cells, codebooks, generation, matching, resolution, speed, sweep, transfer
from .cells import Cells
from .comparisons import SLACK
from .contrasts import FAILS, HOLDS, OPEN, together
from .evidence import Evidence, Rows
from .findings import Finding

Test = Callable[[Evidence], list[Finding]]


@dataclass(frozen=True)
class Claim:
    """A statement of the paper."""

    text: str
    """In our words."""
    place: str
    """Section or appendix, and figure or table, as the paper numbers them."""
    tests: tuple[Test, ...]
    cells: Callable[[Rows], list[Cells]] | None = None
    """What its own tables say of it; None where they have no cells for it."""

    @property
    def of_trainings(self) -> bool:
        """Whether reconstructions of the validation set test it: those of trainings, and of published models."""
        return all(test.__module__ in _OF_TRAININGS for test in self.tests)

    def is_planned(self, scale: Scale) -> bool:
        """Whether a scale has the parts that test it; null in its settings is none."""
        return all(_NEEDS[test.__module__](scale) for test in self.tests if test.__module__ in _NEEDS)


_NEEDS: dict[str, Callable[[Scale], Any]] = {
    sweep.__name__: lambda scale: scale.tokenizer.training,
    codebooks.__name__: lambda scale: scale.tokenizer.training,
    generation.__name__: lambda scale: scale.ldm,
    speed.__name__: lambda scale: scale.speed,
    matching.__name__: lambda scale: scale.matching,
    resolution.__name__: lambda scale: scale.finetune,
}
"""Module of tests -> the part of a scale that they need; of the others, evaluations, every scale has some."""
_OF_TRAININGS = {module.__name__ for module in (sweep, codebooks, baselines)}


def _is_faster(share: float) -> bool:
    return share >= speed.AT_LEAST


def _is_smaller(share: float) -> bool:
    return share <= speed.AT_MOST


def _near_one(share: float) -> bool:
    return 1 / SLACK <= share <= SLACK


def _rises(logarithm: float) -> bool:
    return logarithm > 0


def _stays(logarithm: float) -> bool:
    return abs(logarithm) <= math.log(SLACK)


_TRANSFER = (transfer.FACES, transfer.SCENES)

CLAIMS = (
    Claim("VQ gets worse as d grows", "section 4.2, Figure 3a", (sweep.vq_falls_with_d,)),
    Claim("PQ gets better as d grows", "section 4.2, Figure 3a", (sweep.pq_rises_with_d,)),
    Claim("VQ and PQ behave in opposite ways as d grows", "section 4.2, Figure 3a", (sweep.opposite_slopes,)),
    Claim("Gains from S end near S = d/2", "section 4.2, Figure 3a", (sweep.saturation,)),
    Claim("Quality depends weakly on K, strongly on S", "section 4.2, Figure 3a", (sweep.codewords_next_to_subspaces,)),
    Claim(
        "PQ with many channels and subspaces at K = 128 or 512 beats every VQ",
        "section 4.2, Figure 3a",
        (sweep.small_codebooks,),
    ),
    Claim("PSNR, LPIPS and CMMD follow the trends of FID", "appendix C, Figure 6", (sweep.metrics_agree,)),
    Claim("VQ has the lowest H_n", "section 4.3, Figure 3b", (codebooks.vq_lowest,)),
    Claim("H_n of VQ falls as d grows", "section 4.3, Figure 3b", (codebooks.vq_falls_with_d,)),
    Claim("H_n rises with S", "section 4.3, Figure 3b", (codebooks.rises_with_subspaces,)),
    Claim("H_n hardly moves with K and clusters by S", "section 4.3, Figure 3b", (codebooks.clusters,)),
    Claim("P_n depends on K", "section 4.3, Figure 3b", (codebooks.perplexity,)),
    Claim("PQ keeps H_n above 0.8 at K = 16384", "section 4.3, Figure 3b", (codebooks.stays_even,)),
    Claim(
        "PQ at F=8 beats every baseline by every metric",
        "section 4.4, Table 1",
        (baselines.beats_all(baselines.FINE),),
        cells.beats_all(baselines.FINE),
    ),
    Claim(
        "PQ gains about 10 dB over prior work",
        "abstract, Table 1",
        (baselines.ten_decibels,),
        cells.gain(baselines.LEAST_GAIN, baselines.GREY),
    ),
    Claim(
        "PQ reduces FID, LPIPS and CMMD by up to 96 %",
        "abstract, Table 1",
        (baselines.reductions,),
        cells.reduced(baselines.LEAST_SHARE),
    ),
    Claim(
        "PQ at F=16 beats all others, those of F=4 included",
        "section 4.4, Table 1",
        (baselines.beats_all(baselines.COARSE),),
        cells.beats_all(baselines.COARSE),
    ),
    Claim(
        "PQ at F=32 beats residual quantisation",
        "section 4.4, Table 1",
        (baselines.residual,),
        cells.beats_method(baselines.COARSEST, baselines.RESIDUAL),
    ),
    Claim(
        "Small codebooks, K = 128 to 512, suffice against others of up to 100,000 codewords",
        "section 4.4, Table 1",
        (baselines.small_codebooks,),
        cells.beats_latents((baselines.FINE, baselines.COARSE), cells.is_quantised),
    ),
    Claim(
        "PQ beats the KL autoencoder of the same framework",
        "section 4.4, Table 1",
        (baselines.over_kl,),
        cells.beats_latents((baselines.FINE, baselines.COARSE), baselines.is_kl),
    ),
    Claim(
        "PSNR rises from the validation set to FFHQ for every model",
        "section 4.4, Table 2",
        (transfer.psnr_rises,),
        cells.moves(transfer.FACES, "psnr", _rises),
    ),
    Claim(
        "LPIPS on LSUN stays near that on the validation set",
        "section 4.4, Table 2",
        (transfer.lpips_stays,),
        cells.moves(transfer.SCENES, "lpips", _stays),
    ),
    Claim(
        "PQ is first by every metric on both other sets, F=16 too",
        "section 4.4, Table 2",
        (transfer.first,),
        cells.first_on(_TRANSFER, (baselines.FINE, baselines.COARSE)),
    ),
    Claim(
        "rFID and CMMD rise on both other sets for every model",
        "section 4.4, Table 2",
        (transfer.distances_rise,),
        cells.together(*(cells.moves(role, metric, _rises) for metric in ("rfid", "cmmd") for role in _TRANSFER)),
    ),
    Claim(
        "Diffusion on PQ latents has a lower gFID than on the VAE's, and at F=16 a lower one than at F=8",
        "section 4.4, appendix D, Table 5",
        (generation.pq_over_vae,),
        cells.generated_better,
    ),
    Claim(
        "A better rFID does not mean a better gFID",
        "appendix D, in whose text it does not stand, Table 5",
        (generation.orders_differ,),
        cells.orders_differ,
    ),
    Claim(
        "PQSD-HR costs what Stable Diffusion costs at half the side",
        "section 4.5, Table 3",
        (speed.high_resolution_costs_the_same,),
        cells.cost(speed.HR, BASELINE, {"images_per_second": _near_one, "memory_gb": _near_one}),
    ),
    Claim(
        "PQSD-Quick is up to four times as fast, in about half the memory",
        "section 4.5, Table 3",
        (speed.quick_is_faster,),
        cells.cost(
            speed.QUICK,
            BASELINE,
            {
                "images_per_second": lambda share: share >= speed.AT_LEAST,
                "memory_gb": lambda share: share <= speed.AT_MOST,
            },
        ),
    ),
    Claim(
        "Channels are not the bottleneck: 128 in place of 4 cost next to nothing",
        "sections 3.2 and 4.5, Table 3",
        (speed.channels_cost_nothing,),
        cells.cost(speed.PRECISE, BASELINE, {"images_per_second": _near_one, "memory_gb": _near_one}),
    ),
    Claim(
        "Matching takes about 50 % of the rest of a reconstruction at d=128, S=64, by the plain way",
        "section 4.2, appendix B, Figure 5",
        (matching.half_again,),
    ),
    Claim(
        "The time of matching is linear in S and flat in K up to 16384",
        "section 4.2, appendix B, Figure 5",
        (matching.linear_in_subspaces, matching.flat_in_codewords),
    ),
    Claim(
        "The Stable Diffusion VAE loses fidelity at high resolution, PQ does not, and is better at F=16 too",
        "section 4.5, appendix E, Figures 1 and 7",
        (resolution.vae_loses,),
    ),
    Claim(
        "The tokenizer of PQSD-Quick reconstructs better than the Stable Diffusion VAE",
        "section 4.5",
        (resolution.quick_reconstructs_better,),
    ),
)
"""In the order of the paper; the number of each is its place."""
NUMBERS = {claim.text: number for number, claim in enumerate(CLAIMS, 1)}

OWN = (
    Claim(
        "Our quantiser adds less than 10 % to a reconstruction at S = 64",
        "not in the paper; the threshold is our own",
        (matching.ours_is_cheap,),
    ),
)
"""Findings of our own, which are no claims of the paper."""


@dataclass(frozen=True)
class Judged:
    """A claim with what it was tested on, and with what the paper's own cells say of it."""

    claim: Claim
    findings: list[Finding]
    cells: list[Cells]

    @property
    def verdict(self) -> str:
        return together(finding.verdict for finding in self.findings)


def judged(claims: Iterable[Claim], evidence: Evidence) -> list[Judged]:
    """Claims put to the test, of those that the scale has the parts for."""
    return [
        Judged(
            claim,
            # what is missing in the same words stands once
            list(dict.fromkeys(finding for test in claim.tests for finding in test(evidence))),
            claim.cells(evidence.paper) if claim.cells else [],
        )
        for claim in claims
        if claim.is_planned(evidence.settings.scale)
    ]


def tally(found: Iterable[Judged]) -> str:
    """How many hold, do not hold, and stay open; goes on after "claims that hold:"."""
    verdicts = [claim.verdict for claim in found]
    held, failed, undecided = map(verdicts.count, (HOLDS, FAILS, OPEN))
    return f"{held}; that do not hold: {failed}; {OPEN}: {undecided}"


def summary(found: Iterable[Judged]) -> str:
    """How many of them hold, here and by the paper's own cells."""
    found = list(found)
    decided = [all(cells.agree for cells in claim.cells) for claim in found if claim.cells]
    return (
        f"Claims that hold: {tally(found)}. The paper's own cells decide "
        f"{len(decided)} of them: they agree with {decided.count(True)} and contradict {decided.count(False)}."
    )
