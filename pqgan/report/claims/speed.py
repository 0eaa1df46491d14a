"""Claims of section 4.5 and Table 3: what generation costs on product-quantised latents."""

import math
from collections.abc import Callable

from pqgan.settings.names import BASELINE

from .comparisons import SLACK, beyond, negative, ratio, within
from .contrasts import Estimate
from .evidence import Evidence
from .findings import Finding, absent, beside, limited, needs

HR, PRECISE, QUICK = "PQSD-HR", "PQSD-Precise", "PQSD-Quick"
CHAPTER = "speed"
CHANNELS = 128
"""Latent channels of PQSD-Precise by Table 3."""
FASTER, LESS = 4.0, 0.5
"""Speed and memory of PQSD-Quick over the baseline's, about, by section 4.5 and Table 3."""
AT_LEAST, AT_MOST = FASTER / SLACK, LESS * SLACK


def _lacking(evidence: Evidence, name: str, times: int) -> list[Finding]:
    """A row of what is missing of a variant whose images have so many times the baseline's side; none where all is."""
    records = {key: evidence.record(CHAPTER, key) for key in (name, BASELINE)}
    if lacking := [key for key, record in records.items() if record is None]:
        return [absent(evidence, CHAPTER, f"the variant {lacking[0]}")]
    own, side = (record.subject["image_size"] for record in records.values())
    if own != times * side:
        words = "twice the side of the images" if times == 2 else "the side of the images"
        return [needs(f"{name} at {words} of {BASELINE}; it makes {own} px, {BASELINE} {side} px")]
    return []


def _row(evidence: Evidence, name: str, metric: str, compared: str, judged: Callable[[Estimate], Estimate]) -> Finding:
    """What is made of the ratio of a variant's value to the baseline's."""
    values = {key: evidence.value(CHAPTER, key, metric) for key in (name, BASELINE)}
    if None in values.values():
        return needs(f"{metric} in the records of {name} and {BASELINE}")
    result = judged(ratio(*values.values()))
    device = evidence.record(CHAPTER, name).device
    return beside(metric, f"{compared}; {device}", result, values)


def high_resolution_costs_the_same(evidence: Evidence) -> list[Finding]:
    """What is left of a tenth, to both sides, of the ratios of speed and of memory."""
    words = f"×{SLACK:g} over the difference, either way, of {HR} from {BASELINE} at half the side"
    return _lacking(evidence, HR, 2) or [
        _row(evidence, HR, metric, words, lambda result: within(result, math.log(SLACK)))
        for metric in ("images_per_second", "memory_gb")
    ]


def quick_is_faster(evidence: Evidence) -> list[Finding]:
    """Speed over four times the baseline's, less a tenth; memory below half of it, and a tenth more."""
    if missing := _lacking(evidence, QUICK, 1):
        return missing
    return [
        _row(
            evidence,
            QUICK,
            "images_per_second",
            f"Speed of {QUICK} over {BASELINE}, over ×{AT_LEAST:.2f}, a tenth less than {FASTER:g} times",
            lambda result: beyond(result, math.log(AT_LEAST)),
        ),
        _row(
            evidence,
            QUICK,
            "memory_gb",
            f"×{AT_MOST:.2f}, a tenth more than half, over memory of {QUICK} over {BASELINE}",
            lambda result: beyond(negative(result), -math.log(AT_MOST)),
        ),
    ]


def channels_cost_nothing(evidence: Evidence) -> list[Finding]:
    """A tenth more than the baseline's time in the U-Net, less that of the variant with as many latent pixels."""
    if missing := _lacking(evidence, PRECISE, 1):
        return missing
    own, side = (evidence.record(CHAPTER, name).subject["d"] for name in (PRECISE, BASELINE))
    words = (
        f"×{SLACK:g} over the U-Net's time in {PRECISE} over {BASELINE}, at as many latent pixels and {own} channels "
        f"in place of {side}"
    )
    row = _row(evidence, PRECISE, "unet_seconds", words, lambda result: beyond(negative(result), -math.log(SLACK)))
    return [limited(row, f"{CHANNELS} channels" if own < CHANNELS else "")]
