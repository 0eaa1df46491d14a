"""Measured values beside each other: by their intervals where they have one, within a margin where they have none."""

import math

import pytest

from pqgan.report.claims.comparisons import MARGIN, about, better, beyond, known, negative, ratio, size, within
from pqgan.report.claims.contrasts import FAILS, HOLDS, OPEN, Estimate
from pqgan.report.claims.findings import NO_INTERVAL, Finding, beside, difference, every, limited


@pytest.mark.parametrize(("ours", "theirs", "verdict"), [(30.0, 28.0, HOLDS), (30.0, 29.1, OPEN), (28.0, 30.0, FAILS)])
def test_psnr_goes_by_whether_the_intervals_overlap(hand, ours, theirs, verdict):
    result = better("psnr", hand.item("psnr", ours, 0.5), hand.item("psnr", theirs, 0.45))
    assert result.value == pytest.approx(ours - theirs)
    assert result.interval == pytest.approx((ours - theirs - 0.95, ours - theirs + 0.95))
    assert (result.verdict, result.assumed) == (verdict, False)


def test_psnr_without_an_interval_is_open_and_says_so(hand):
    one, other = hand.item("psnr", 30.0, 0.5), hand.item("psnr", 20.0)
    found = beside("psnr", "words", better("psnr", one, other), {"one": one, "other": other})
    assert (found.verdict, found.missing, found.difference) == (OPEN, NO_INTERVAL, "+10.00")
    assert (found.means, found.seeds) == ("one: 30.0; other: 20.0", "n = 48")


@pytest.mark.parametrize(
    ("ours", "theirs", "verdict"), [(1.0, 1.06, HOLDS), (1.0, 1.04, OPEN), (1.04, 1.0, OPEN), (1.06, 1.0, FAILS)]
)
@pytest.mark.parametrize("metric", ["rfid", "gfid", "cmmd"])
def test_a_ratio_without_intervals_is_known_within_the_margin(hand, metric, ours, theirs, verdict):
    result = better(metric, hand.item(metric, ours), hand.item(metric, theirs))
    assert (result.verdict, result.assumed) == (verdict, True)
    assert math.exp(result.value) == pytest.approx(theirs / ours)
    assert difference(metric, result) == f"×{theirs / ours:.3g} ± 5 %"


def test_lpips_is_a_ratio_with_the_ends_of_both_intervals(hand):
    result = better("lpips", hand.item("lpips", 0.10, 0.01), hand.item("lpips", 0.20, 0.02))
    assert [math.exp(x) for x in (result.value, *result.interval)] == pytest.approx([2, 0.18 / 0.11, 0.22 / 0.09])
    assert difference("lpips", result) == "×2.00 [×1.64, ×2.44]"


def test_what_is_not_positive_has_no_ratio(hand):
    result = ratio(hand.item("cmmd", 0.0), hand.item("cmmd", 1.0))
    found = every("cmmd", "words", [about(1.0), result], "", [hand.item("cmmd", 0.0)])
    assert (result.verdict, found.verdict, found.value) == (OPEN, OPEN, None)
    assert found.missing == "a value is no finite number"


@pytest.mark.parametrize(
    ("interval", "sized", "left"),
    [((0.5, 1.5), (0.5, 1.5), (-0.5, 0.5)), ((-1.5, -0.5), (0.5, 1.5), (-0.5, 0.5)), ((-0.2, 0.6), (0, 0.6), (0.4, 1))],
)
def test_room_to_both_sides(interval, sized, left):
    result = Estimate(sum(interval) / 2, interval)
    assert size(result).interval == pytest.approx(sized)
    assert size(result).value == pytest.approx(abs(result.value))
    assert within(result, 1.0).interval == pytest.approx(left)
    assert within(result, 1.0).value == pytest.approx(1 - abs(result.value))


def test_bounds_and_opposites():
    result = beyond(Estimate(2.0, (1.0, 4.0)), 1.5)
    assert (result.value, result.interval) == (0.5, (-0.5, 2.5))
    assert negative(result).interval == (-2.5, 0.5)
    assert beyond(Estimate(2.0, None), 1.5) == Estimate(0.5, None)
    assert known(-2.0).interval == pytest.approx((-2 * (1 + MARGIN), -2 * (1 - MARGIN)))


def test_one_of_several_decides(hand):
    values = [hand.item("psnr", value, 0.1) for value in (20, 21, 22)]
    results = [Estimate(3.0, (2.0, 4.0)), Estimate(-1.0, (-2.0, 0.5)), Estimate(1.0, (0.5, 2.0))]
    found = every("psnr", "words", results, "means", values)
    assert (found.difference, found.verdict) == ("−1.00 [−2.00, +0.50]", OPEN)
    assert every("psnr", "words", results[::2], "means", values).verdict == HOLDS
    assert every("psnr", "words", [*results, Estimate(-1.0, (-2.0, -0.5))], "means", values).verdict == FAILS


@pytest.mark.parametrize(
    ("before", "after", "says"),
    [(HOLDS, OPEN, "needs it"), (OPEN, OPEN, ""), (FAILS, FAILS, "")],
)
def test_nothing_holds_without_what_it_needs(before, after, says):
    found = Finding("words", verdict=before)
    assert limited(found, "") is found
    turned = limited(found, "it", FAILS)
    assert (turned.verdict == before) == (before != FAILS)
    assert (limited(found, "it").verdict, limited(found, "it").missing) == (after, says)


@pytest.mark.parametrize(
    ("metric", "result", "shown"),
    [
        ("overhead", Estimate(0.058, (0.04, 0.076)), "+5.8 [+4.0, +7.6] points"),
        ("matching_overhead", known(0.5), "+50.0 ± 2.5 points"),
        ("H_n", beyond(known(0.94), 0.8), "+0.140 ± 0.047"),
        ("psnr", Estimate(math.nan, (1.0, 2.0)), "–"),
    ],
)
def test_differences_as_they_are_printed(metric, result, shown):
    assert difference(metric, result) == shown
