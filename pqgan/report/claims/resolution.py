"""Claims of section 4.5 and appendix E: reconstructions at the resolution of fine-tuning and at twice of it."""

import math

from pqgan.records import Measurement, Record
from pqgan.settings.names import BACKBONE_VAE

from .baselines import COARSE, FINE
from .comparisons import SLACK, better, beyond, negative
from .evidence import ON, Evidence
from .findings import Finding, absent, beside, needs
from .speed import QUICK
from .sweep import QUALITY

CHAPTER = "evaluate_finetuned"
DOUBLE = "double"
"""Role of the set at twice the resolution."""
FIDELITY = ("psnr", "lpips")
"""Metrics of an image beside its original: others compare sets, whose size and content change with the resolution."""
LEAST = {"psnr": 0.5, "lpips": math.log(SLACK)}
"""What counts as a loss: decibels, and a tenth; our own."""
OWN = ("selected-", "finetuned-")


def _continuous(evidence: Evidence) -> str | None:
    """What plays the Stable Diffusion VAE: the first continuous tokenizer of the chapter that has trained weights."""
    names = [name for name in evidence.plan.chapter(CHAPTER) if not name.startswith(OWN)]
    trained = [name for name in names if name != BACKBONE_VAE or evidence.backbone_is_published]
    return next((name for name in trained if evidence.record(CHAPTER, name)), None)


def _value(evidence: Evidence, name: str, metric: str, on: str) -> Measurement | None:
    return evidence.value(CHAPTER, name, metric, on)


def _side(evidence: Evidence, record: Record, role: str) -> str:
    prepared = record.sets.get(role)
    sets = evidence.settings.scale.data.sets
    return f"{sets[prepared].size} px" if prepared in sets else role


def _named(evidence: Evidence, name: str) -> str:
    """As rows call it; what only plays the Stable Diffusion VAE is said to."""
    return "SDv2.1 VAE" if name in (BACKBONE_VAE, "sd21-vae") else f"{name}, in the place of the Stable Diffusion VAE,"


def _lacking(evidence: Evidence, *roles: str) -> Finding | None:
    """A row of what is missing; None where nothing is."""
    other = _continuous(evidence)
    if other is None:
        return absent(evidence, CHAPTER, "a continuous tokenizer with trained weights at the high resolution")
    names = [name for F in (FINE, COARSE) if (name := f"finetuned-f{F}") in evidence.plan.chapter(CHAPTER)]
    if not names or any(_value(evidence, name, "psnr", role) is None for name in (other, *names) for role in roles):
        return absent(evidence, CHAPTER, f"fine-tuned tokenizers on {' and '.join(roles)} of the high resolution")
    return None


def vae_loses(evidence: Evidence) -> list[Finding]:
    """From one resolution to its double the VAE loses and PQ does not; at the double PQ is better."""
    if lacking := _lacking(evidence, ON, DOUBLE):
        return [lacking]
    vae = _continuous(evidence)
    losses = [_loss(evidence, vae, _named(evidence, vae), metric, loses=True) for metric in FIDELITY]
    found = []
    for F in (FINE, COARSE):
        name = f"finetuned-f{F}"
        if evidence.record(CHAPTER, name):
            losses += [_loss(evidence, name, name, metric, loses=False) for metric in FIDELITY]
            found += [_beside(evidence, name, metric, DOUBLE) for metric in FIDELITY]
    prepared = [evidence.record(CHAPTER, vae).sets.get(role) for role in (ON, DOUBLE)]
    if _same_photographs(evidence, *prepared):
        return losses + found
    others = " and ".join(map(str, prepared))
    return [needs(f"the same photographs at both sides; {others} hold different ones"), *found]


def _same_photographs(evidence: Evidence, *prepared: str | None) -> bool:
    """Whether two prepared sets are the same images at two sides, so that a difference is that of the side."""
    sets = evidence.settings.scale.data.sets
    crops = any(name not in sets or sets[name].source == "wheel_photos" for name in prepared)
    return not crops and len({sets[name].model_copy(update={"size": 1}) for name in prepared}) == 1


def _loss(evidence: Evidence, name: str, shown: str, metric: str, *, loses: bool) -> Finding:
    record = evidence.record(CHAPTER, name)
    values = {_side(evidence, record, on): _value(evidence, name, metric, on) for on in (ON, DOUBLE)}
    before, after = values.values()
    lost, path = better(metric, before, after), " to ".join(values)
    room = "0.5 dB" if metric == "psnr" else f"×{SLACK:g}"
    words = f"Loss of {shown} from {path}, less {room}" if loses else f"{room} less the loss of {shown} from {path}"
    result = beyond(lost, LEAST[metric]) if loses else beyond(negative(lost), -LEAST[metric])
    return beside(metric, words, result, values)


def _beside(evidence: Evidence, name: str, metric: str, on: str) -> Finding:
    vae = _continuous(evidence)
    own, other = (_value(evidence, one, metric, on) for one in (name, vae))
    where = _side(evidence, evidence.record(CHAPTER, name), on)
    compared = f"{name} against {_named(evidence, vae)} at {where}"
    return beside(metric, compared, better(metric, own, other), {"PQ": own, "VAE": other})


def quick_reconstructs_better(evidence: Evidence) -> list[Finding]:
    """The fine-tuned tokenizer that PQSD-Quick decodes with, less the VAE at the resolution of fine-tuning."""
    quick = evidence.settings.scale.variants.get(QUICK)
    if quick is None:
        return [needs(f"the variant {QUICK}")]
    lacking, name = _lacking(evidence, ON), f"finetuned-f{quick.F}"
    if lacking is None and not evidence.record(CHAPTER, name):
        lacking = needs(f"a fine-tuned tokenizer of F={quick.F}")
    return [lacking] if lacking else [_beside(evidence, name, metric, ON) for metric in QUALITY]
