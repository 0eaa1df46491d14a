"""Measured values beside each other or beside a bound: what nothing tells of a second training is not asked of it.

Where both values have an interval of their own, that of their difference reaches from the ends that lie nearest to the
ends that lie farthest, so that a verdict means that the two do not overlap, whatever they have in common. A ratio of
values without, and a value that is held against a bound, are taken to be known within MARGIN.
"""

import math
from dataclasses import replace

from pqgan.metrics import METRICS
from pqgan.records import Measurement

from .contrasts import Estimate, comparable, settled

MARGIN = 0.05
"""Of a ratio, or of a value, that has no interval; our own."""
SLACK = 1.10
"""A ratio up to this, or one over it, still counts as one; our own."""


def better(metric: str, ours: Measurement, theirs: Measurement) -> Estimate:
    """By how much ours is better; rFID, gFID, CMMD and LPIPS as the logarithm of a ratio."""
    if METRICS[metric].ratio:
        return ratio(theirs, ours) if METRICS[metric].better == "down" else ratio(ours, theirs)
    value = comparable(metric, ours.value) - comparable(metric, theirs.value)
    if ours.interval is None or theirs.interval is None:
        return Estimate(settled(value), None)
    return Estimate(settled(value), (ours.interval[0] - theirs.interval[1], ours.interval[1] - theirs.interval[0]))


def ratio(over: Measurement, under: Measurement) -> Estimate:
    """The logarithm of a ratio of positive numbers; nan where one is not positive."""
    value = settled(_log(over.value) - _log(under.value))
    if over.interval is None or under.interval is None:
        return about(value)
    ends = _log(over.interval[0]) - _log(under.interval[1]), _log(over.interval[1]) - _log(under.interval[0])
    return Estimate(value, ends)


def about(logarithm: float) -> Estimate:
    """The logarithm of a ratio that is known within MARGIN."""
    return Estimate(logarithm, (logarithm - math.log1p(MARGIN), logarithm + math.log1p(MARGIN)), assumed=True)


def known(value: float) -> Estimate:
    """A value that is known within MARGIN of it."""
    return Estimate(value, (value - MARGIN * abs(value), value + MARGIN * abs(value)), assumed=True)


def beyond(result: Estimate, bound: float) -> Estimate:
    """By how much it is more than a bound."""
    interval = result.interval and (result.interval[0] - bound, result.interval[1] - bound)
    return replace(result, value=settled(result.value - bound), interval=interval)


def negative(result: Estimate) -> Estimate:
    """Its opposite: what speaks against it speaks for this."""
    interval = result.interval and (-result.interval[1], -result.interval[0])
    return replace(result, value=-result.value, interval=interval)


def size(result: Estimate) -> Estimate:
    """Without its sign; an interval that holds zero begins there."""
    if result.interval is None:
        return replace(result, value=abs(result.value))
    low, high = sorted(map(abs, result.interval))
    least = 0.0 if result.interval[0] <= 0 <= result.interval[1] else low
    return replace(result, value=abs(result.value), interval=(least, high))


def within(result: Estimate, room: float) -> Estimate:
    """What is left of some room to both sides of zero."""
    return beyond(negative(size(result)), -room)


def _log(value: float) -> float:
    return math.log(value) if 0 < value < math.inf else math.nan
