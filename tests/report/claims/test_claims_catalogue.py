"""Claims on made-up trainings of known means: found by scanning the sweep, and each verdict in its turn."""

import math
import re

import pytest

from pqgan.errors import DataError
from pqgan.report.claims.catalogue import CLAIMS, OWN, judged, summary
from pqgan.report.claims.contrasts import FAILS, HOLDS, OPEN
from pqgan.report.claims.findings import NO_NOISE
from pqgan.report.claims.lines import chosen, lines
from pqgan.settings import Settings, load

SWEEP = [
    *({"F": 8, "d": d, "S": 1, "K": 64} for d in (8, 16, 32)),
    *({"F": 8, "d": 16, "S": S, "K": 64} for S in (4, 8, 16)),
    {"F": 8, "d": 32, "S": 16, "K": 64},
    *({"F": 8, "d": 16, "S": 8, "K": K} for K in (128, 256, 16384)),
    {"F": 8, "d": 16, "S": 1, "K": 256},
    {"F": 16, "d": 16, "S": 8, "K": 64},
    {"F": 32, "d": 32, "S": 16, "K": 64},
]
TWICE = [{"F": 8, "d": d, "S": S, "K": 64, "seed": seed} for d, S in ((16, 8), (8, 1)) for seed in (1, 2)]
NOISE = {"psnr": 0.1, "H_n": 0.001, "P_n": 0.001}
SIGNS = {"f8-d16-S8-K64": 1, "f8-d8-S1-K64": -1}
"""Of the noise: over configurations and over seeds it sums to zero, so that no estimate moves."""
RATIOS = ("rfid", "lpips", "cmmd")
CHOSEN = {8: "f8-d16-S8-K64", 16: "f16-d16-S8-K64"}


def truth(config, sign: int) -> dict[str, float]:
    """Metrics of a configuration where claims hold (1), do not (-1), or nothing makes a difference (0)."""
    K, S = getattr(config, "K", 1), getattr(config, "S", 1)
    if config.kind != "pq":
        better = -5.0
    elif S == 1:
        better = -0.5 * math.log2(config.d)
    else:
        better = 2 * math.log2(config.d) + 3 * min(math.log2(S), math.log2(config.d / 2)) + 0.01 * math.log2(K)
    better *= sign
    found = {"psnr": 30 + better, **dict.fromkeys(RATIOS, math.exp(-better / 5))}
    if config.kind == "pq":
        found["H_n"] = 0.8 + sign * (
            0.05 * math.log2(S) - 0.0005 * math.log2(K) - 0.01 * (S == 1) * math.log2(config.d)
        )
        found["P_n"] = 0.9 - sign * 0.05 * math.log2(K)
    return found


@pytest.fixture
def settings(changed_params) -> Settings:
    return load(changed_params("scales.smoke.tokenizer.sweep", SWEEP + TWICE), "smoke")


@pytest.fixture
def sweep(evidence_of, hand):
    """(settings, sign of `truth`, values of some configurations) -> evidence of the trainings alone."""

    def made(settings: Settings, sign: int, changed=None):
        records = {}
        for name, config in settings.scale.tokenizer.configs.items():
            noise = SIGNS.get(config.design, 0) * {None: 0, 1: 1, 2: -1}[config.seed]
            drift = noise + {None: 0, 1: 7, 2: -3}[config.seed]  # a seed moves all of its trainings
            values = truth(config, sign) | (changed or {}).get(config.design, {})
            values = {metric: value for metric, value in values.items() if value is not None}
            values = {metric: value + drift * NOISE.get(metric, 0) for metric, value in values.items()}
            values |= {metric: values[metric] * math.exp(0.02 * drift) for metric in RATIOS}
            items = [hand.item(metric, value, on="val") for metric, value in values.items()]
            records["evaluate", name] = hand.record(*items)
        records["matching", "matching"] = hand.record(F=8)
        return evidence_of(settings, records, CHOSEN)

    return made


def by_number(found) -> dict[int, object]:
    return dict(enumerate(found, 1))


def test_the_claims_are_numbered_as_listed_and_say_where_they_stand():
    assert len(CLAIMS) == 33
    assert len({claim.text for claim in CLAIMS}) == 33
    places = [re.findall(r"(?:Figures?|Tables?) [\w ]+?(?=,|$)", claim.place) for claim in CLAIMS]
    assert [found[-1] if found else None for found in places] == [
        *["Figure 3a"] * 6,
        "Figure 6",
        *["Figure 3b"] * 6,
        *["Table 1"] * 7,
        *["Table 2"] * 4,
        *["Table 5"] * 2,
        *["Table 3"] * 3,
        *["Figure 5"] * 2,
        "Figures 1 and 7",
        None,
    ]
    assert all(re.match(r"abstract|appendix|sections? \d", claim.place) for claim in CLAIMS)
    assert [claim.place.startswith("not in the paper") for claim in OWN] == [True]


EXPECTED = {
    1: (HOLDS, FAILS, OPEN),
    2: (HOLDS, FAILS, OPEN),
    3: (HOLDS, HOLDS, OPEN),  # opposite signs are opposite, whichever way round
    4: (HOLDS, FAILS, OPEN),
    5: (HOLDS, FAILS, OPEN),
    6: (HOLDS, FAILS, OPEN),
    7: (HOLDS, HOLDS, OPEN),  # all metrics fall together
    8: (HOLDS, FAILS, OPEN),
    9: (HOLDS, FAILS, OPEN),
    10: (HOLDS, FAILS, OPEN),
    11: (HOLDS, FAILS, OPEN),
    12: (HOLDS, HOLDS, FAILS),  # it may rise or fall; without any slope it does not depend
    13: (HOLDS, FAILS, OPEN),
    20: (HOLDS, FAILS, OPEN),
}
"""Claim on trainings alone -> its verdict at each sign of `truth`."""


@pytest.mark.parametrize(("place", "sign"), enumerate((1, -1, 0)))
@pytest.mark.parametrize("number", EXPECTED)
def test_each_claim_has_each_verdict(settings, sweep, number, place, sign):
    claim = by_number(judged(CLAIMS, sweep(settings, sign)))[number]
    assert claim.verdict == EXPECTED[number][place]
    if sign:
        assert not any(finding.missing for finding in claim.findings)
        assert all("[" in finding.difference for finding in claim.findings) or number == 7


def test_differences_are_the_true_ones(settings, sweep):
    """By hand from `truth`, at F=8 and K=64."""
    found = by_number(judged(CLAIMS, sweep(settings, 1)))
    values = {
        finding.compared.partition(";")[0]: finding.value
        for number in EXPECTED
        for finding in found[number].findings
        if finding.metric in ("PSNR [dB]", "H_n", "P_n") and number not in (7, 11)
    }
    assert values == {
        "Loss with each doubling of d": pytest.approx(0.5),
        "Gain with each doubling of d": pytest.approx(5),
        "Gain of PQ (F=8, K=64, S=d/2) less that of VQ (F=8, S=1, K=64) with each doubling of d": pytest.approx(5.5),
        "Gain from S=d/4 to d/2, less the gain from S=d/2 to d": pytest.approx(3),
        "Gain from the least S (d/8 where planned) to d/2": pytest.approx(8 + 9 + 0.06 + 2),
        "Gain from S=4 to 8 at K=64, less the size of the change from K=64 to 16384": pytest.approx(3 - 0.08),
        "The lowest H_n of PQ, which is at S=4, less that of VQ": pytest.approx(0.1 + 0.04),
        "Fall with each doubling of d": pytest.approx(0.01),
        "Rise with each doubling of S": pytest.approx(0.05 + 2.25 * 0.04 / 8.75),
        "Fall of P_n with each doubling of K, less 0.01, below which nothing counts as noticed": pytest.approx(0.04),
        "The lowest H_n of 1 PQ with K=16384, less 0.8": pytest.approx(0.15 - 0.007),
        "f8-d16-S8-K64, selected for F=8, against kl-f8-d4": pytest.approx(8 + 9 + 0.06 + 5),
    }
    # from S=1 to 16 at K=64, less from K=64 to 16384 at S=8
    assert found[11].findings[0].value == pytest.approx(0.2 + 0.04 - 0.004)
    # nearly all of the variance lies between the values of S, and one half is taken off
    assert 0.4 < found[11].findings[1].value < 0.5
    assert found[2].findings[1].metric == "rFID"
    assert found[2].findings[1].value == pytest.approx(math.e, rel=0.03)
    assert found[2].findings[1].difference.startswith("×2.7")
    assert found[2].findings[0].seeds == "1 to 3"


def test_the_change_along_k_counts_by_its_size(settings, sweep):
    """A loss with K is as much of a dependence as a gain."""
    worse = {"f8-d16-S8-K16384": {"psnr": 30 + 8 + 9 + 0.06 - 4}}
    finding = by_number(judged(CLAIMS, sweep(settings, 1, worse)))[5].findings[0]
    assert finding.value == pytest.approx(3 - 4)
    assert finding.verdict == FAILS


def test_slopes_of_one_sign_are_not_opposite(settings, sweep):
    rising = {f"f8-d{d}-S1-K64": {"psnr": 20 + math.log2(d)} for d in (8, 16, 32)}
    finding = by_number(judged(CLAIMS, sweep(settings, 1, rising)))[3].findings[0]
    assert (finding.metric, finding.verdict) == ("PSNR [dB]", FAILS)
    assert re.fullmatch(r"PQ: \+5\.00 \[.*\]; VQ: \+1\.00 \[.*\]", finding.means)


def test_a_metric_that_goes_its_own_way_does_not_follow(settings, sweep):
    own = {f"f8-d{d}-S1-K64": {"lpips": 1 / d} for d in (8, 16, 32)}
    psnr, lpips, cmmd = by_number(judged(CLAIMS, sweep(settings, 1, own)))[7].findings
    assert [finding.verdict for finding in (psnr, lpips, cmmd)] == [HOLDS, FAILS, HOLDS]
    assert lpips.means == "the same 4 times of 5 where both are resolved; 5 contrasts"


def test_without_replicates_nothing_of_trainings_is_resolved_and_each_row_says_why(smoke, sweep):
    found = by_number(judged(CLAIMS, sweep(smoke, 1)))
    for number in EXPECTED:
        assert found[number].verdict == OPEN, number
        own_spread = [finding for finding in found[number].findings if finding.compared.startswith("Share of the var")]
        assert all(finding.missing for finding in found[number].findings if finding not in own_spread)
        assert bool(own_spread) == (number == 11)
    assert found[1].findings[0].missing == "needs two or more d with S=1, at one F and K"
    assert found[2].findings[0].missing == NO_NOISE
    assert found[13].findings[0].missing == "needs PQ with K=16384, or at least 8192, in the sweep"


def test_a_bound_on_a_value_needs_no_replicates(changed_params, sweep):
    points = [point | {"K": 8192} if point["K"] == 16384 else point for point in SWEEP]
    settings = load(changed_params("scales.smoke.tokenizer.sweep", points), "smoke")
    for value, verdict, shown in (
        (0.94, HOLDS, "+0.140 ± 0.047"),
        (0.82, OPEN, "+0.020 ± 0.041"),
        (0.7, FAILS, "−0.100 ± 0.035"),
    ):
        told = sweep(settings, 1, {"f8-d16-S8-K8192": {"H_n": value}})
        (finding,) = by_number(judged(CLAIMS, told))[13].findings
        assert finding.verdict == verdict
        assert finding.compared.startswith("The lowest H_n of 1 PQ with K=8192, the largest in the sweep in place of")
        assert finding.difference == shown


def test_what_is_not_finite_is_not_resolved_and_named(settings, sweep):
    broken = {"f8-d16-S1-K64": {"psnr": math.nan}, "kl-f8-d4": {"rfid": math.inf}}
    found = by_number(judged(CLAIMS, sweep(settings, 1, broken)))
    psnr, rfid, *_ = found[1].findings
    assert (psnr.verdict, psnr.missing) == (OPEN, "f8-d16-S1-K64 has no finite PSNR")
    assert (psnr.difference, rfid.verdict) == ("–", HOLDS)
    assert found[20].findings[1].missing == "kl-f8-d4 has no finite rFID"
    # and it is not the best other one
    assert "against f8-d8-S1-K64" in found[14].findings[0].compared


def test_a_configuration_without_the_metric_is_refused_in_one_line(settings, sweep):
    with pytest.raises(DataError, match=r"evaluate/kl-f8-d4: no headline 'psnr' on val; .*evaluate again") as caught:
        judged(CLAIMS, sweep(settings, 1, {"kl-f8-d4": {"psnr": None}}))
    assert "\n" not in str(caught.value)


def test_the_line_is_the_longest_then_the_most_trained_then_the_nearest_to_the_best(changed_params, sweep):
    def line(*configs: dict) -> str:
        path = changed_params("scales.smoke.tokenizer.sweep", [*SWEEP[-2:], *configs])
        evidence = sweep(load(path, "smoke"), 1)
        return chosen(evidence, lines(evidence, "d", lambda config: config.S == 1)).where

    few = [{"F": 8, "d": d, "S": 1, "K": K} for K in (128, 512) for d in (8, 32)]
    few += [{"F": 8, "d": d, "S": 1, "K": 256} for d in (8, 32)]
    few.append({"F": 8, "d": 16, "S": 8, "K": 64})  # a product quantiser, to be selected
    assert line(*few) == "F=8, S=1, K=512"  # as the reading's best
    assert line(*few, few[0] | {"seed": 1}) == "F=8, S=1, K=128"
    assert line(*few, few[0] | {"seed": 1}, {"F": 8, "d": 64, "S": 1, "K": 256}) == "F=8, S=1, K=256"
    none_near = [config for config in few if config["K"] != 512]
    assert line(*none_near) == "F=8, S=1, K=128"


def test_saturation_is_averaged_over_d(changed_params, sweep):
    more = [*SWEEP, *({"F": 8, "d": 32, "S": S, "K": 64} for S in (8, 32)), *TWICE]
    settings = load(changed_params("scales.smoke.tokenizer.sweep", more), "smoke")
    turn, *_ = by_number(judged(CLAIMS, sweep(settings, 1)))[4].findings
    assert turn.compared.endswith("F=8, K=64; mean of d=16, 32")
    assert turn.value == pytest.approx(3)
    # of d=16 and 32 by `truth`: 30 + (8 + 10) / 2 + 3 log2 S + 0.06, log2 S as far as d/2
    assert turn.means == "S=d/4: 46.6; S=d/2: 49.6; S=d: 49.6"


def test_the_summary_counts_the_papers_claims(settings, sweep):
    found = judged(CLAIMS, sweep(settings, 1))
    verdicts = [claim.verdict for claim in found]
    said = summary(found)
    assert sum(map(verdicts.count, (HOLDS, FAILS, OPEN))) == 33
    assert said.startswith(
        f"Claims that hold: {verdicts.count(HOLDS)}; that do not hold: {verdicts.count(FAILS)}; not resolved at this "
        f"scale: {verdicts.count(OPEN)}. "
    )
    assert said.endswith("decide 16 of them: they agree with 13 and contradict 3.")


def test_the_noise_is_that_of_each_replicate_by_itself(settings, sweep):
    """By hand: four of six trainings of two configurations are 0.1 off, and two degrees of freedom are left."""
    fit = sweep(settings, 1).fit("psnr")
    assert fit.freedom == 2
    assert fit.deviation == pytest.approx(math.sqrt(4 * 0.1**2 / 2))
