"""Claims of appendix D and Table 5: diffusion from scratch on each latent."""

from itertools import combinations

from pqgan.records import Measurement
from pqgan.settings.names import BACKBONE_VAE, selected_factor

from .baselines import COARSE, FINE
from .comparisons import better
from .contrasts import FAILS, HOLDS, OPEN
from .evidence import ON, Evidence
from .findings import Finding, absent, beside, number, title

CHAPTER = "generation"


def _latents(evidence: Evidence) -> dict[str, tuple[str, Measurement]]:
    """Label -> name of the tokenizer, gFID; of the latents with a trained tokenizer."""
    found = {}
    for name, latent in evidence.settings.scale.generated_latents.items():
        value = evidence.value(CHAPTER, name, "gfid")
        untrained = latent.tokenizer == BACKBONE_VAE and not evidence.backbone_is_published
        if value is not None and not untrained:
            found[name] = latent.tokenizer, value
    return found


def pq_over_vae(evidence: Evidence) -> list[Finding]:
    """gFID on each PQ less that on each other latent, and F=16 less F=8."""
    gfid = _latents(evidence)
    pq = {factor: name for name, (tokenizer, _) in gfid.items() if (factor := selected_factor(tokenizer))}
    fine, coarse = (pq.get(F) for F in (FINE, COARSE))
    others = [name for name in gfid if name not in pq.values()]
    pairs = [(one, other) for other in others for one in (fine, coarse) if one]
    if fine and coarse:
        pairs.append((coarse, fine))
    if not pairs or not others or not (fine and coarse):
        what = f"models from scratch on a VAE and on the selected tokenizers of F={FINE} and F={COARSE}"
        return [absent(evidence, CHAPTER, what)]
    return [
        beside(
            "gfid",
            f"The model on {one} less that on {other}",
            better("gfid", gfid[one][1], gfid[other][1]),
            {one: gfid[one][1], other: gfid[other][1]},
        )
        for one, other in pairs
    ]


def orders_differ(evidence: Evidence) -> list[Finding]:
    """Of some pair of latents, the one with the better rFID has the worse gFID."""
    both = {}
    for name, (tokenizer, gfid) in _latents(evidence).items():
        if factor := selected_factor(tokenizer):
            tokenizer = evidence.selected(factor)
        rfid = tokenizer and evidence.value("evaluate", tokenizer, "rfid", ON)
        if rfid:
            both[name] = rfid, gfid
    if len(both) < 2:
        return [absent(evidence, CHAPTER, "models from scratch on two latents whose tokenizers are measured")]
    sides = [
        {better(metric, one, other).verdict for metric, one, other in zip(("rfid", "gfid"), *pair, strict=True)}
        for pair in combinations(both.values(), 2)
    ]
    turned = sum(verdicts == {HOLDS, FAILS} for verdicts in sides)
    unclear = sum(OPEN in verdicts for verdicts in sides)
    return [
        Finding(
            "Pairs of latents of which the one with the better rFID has the worse gFID; one is enough",
            title("gfid"),
            "; ".join(
                f"{name}: rFID {number('rfid', rfid.value)}, gFID {number('gfid', gfid.value)}"
                for name, (rfid, gfid) in both.items()
            ),
            f"{turned} of {len(sides)}",
            turned,
            verdict=HOLDS if turned else OPEN if unclear else FAILS,
            missing="" if turned or not unclear else "pairs lie within the margin",
        )
    ]
