"""Every claim on made-up measurements of known means: found by scanning the sweep, and each verdict in its turn."""

import json
import math
import re
from types import SimpleNamespace

import pytest

from pqgan.errors import DataError
from pqgan.plan import Plan
from pqgan.records import Measurement
from pqgan.report.claims.catalogue import CLAIMS, claims, summary
from pqgan.report.claims.contrasts import FAILS, HOLDS, OPEN
from pqgan.report.claims.evidence import Evidence
from pqgan.report.claims.findings import NO_NOISE
from pqgan.report.claims.lines import chosen, lines
from pqgan.settings import Settings, load

SWEEP = [
    *({"F": 8, "d": d, "S": 1, "K": 64} for d in (8, 16, 32)),
    *({"F": 8, "d": 16, "S": S, "K": 64} for S in (4, 8, 16)),
    {"F": 8, "d": 32, "S": 16, "K": 64},
    *({"F": 8, "d": 16, "S": 8, "K": K} for K in (128, 256)),
    {"F": 16, "d": 16, "S": 8, "K": 64},
    {"F": 32, "d": 32, "S": 16, "K": 64},
]
TWICE = [{"F": 8, "d": d, "S": S, "K": 64, "seed": seed} for d, S in ((16, 8), (8, 1)) for seed in (1, 2)]
NOISE = {"psnr": 0.1, "H_n": 0.001, "P_n": 0.001}
SIGNS = {"f8-d16-S8-K64": 1, "f8-d8-S1-K64": -1}
"""Of the noise: over configurations and over seeds it sums to zero, so that no estimate moves."""


def truth(config, sign: int) -> dict[str, float]:
    """Metrics of a configuration where all claims hold (1), none does (-1), or nothing makes a difference (0)."""
    K, S = getattr(config, "K", 1), getattr(config, "S", 1)
    if config.kind != "pq":
        better = -5.0
    elif S == 1:
        better = -0.5 * math.log2(config.d)
    else:
        better = 2 * math.log2(config.d) + 3 * min(math.log2(S), math.log2(config.d / 2)) + 0.01 * math.log2(K)
    better *= sign
    found = {"psnr": 30 + better, "rfid": math.exp(-better / 5)}
    if config.kind == "pq":
        found["H_n"] = 0.5 + sign * (0.05 * math.log2(S) - 0.0005 * math.log2(K))
        found["P_n"] = 0.6 - sign * 0.05 * math.log2(K)
    return found


class Told:
    """Results as `Evidence` asks for them.

    Args:
        sign: of `truth`.
        overhead: value and interval of the matching bench at S = 64; no such row where None.
    """

    def __init__(self, settings: Settings, sign: int, overhead=None, changed=None):
        self.configs = settings.scale.tokenizer.configs
        self.sign, self.overhead, self.changed = sign, overhead, changed or {}

    def record(self, chapter: str, name: str):
        if chapter == "matching":
            rows = [self._overhead(64, "pqgan", *self.overhead)] if self.overhead else []
            rows += [self._overhead(64, "full distances", 9.0, None), self._overhead(8, "pqgan", 8.0, None)]
            return SimpleNamespace(measurements=rows, device="test processor", subject={"F": 8})
        config = self.configs[name]
        noise = SIGNS.get(config.design, 0) * {None: 0, 1: 1, 2: -1}[config.seed]
        drift = noise + {None: 0, 1: 7, 2: -3}[config.seed]  # a seed moves all of its trainings
        values = truth(config, self.sign)
        values = {metric: value + drift * NOISE.get(metric, 0) for metric, value in values.items()}
        values["rfid"] *= math.exp(0.02 * drift)
        values |= self.changed.get(name, {})

        def get(metric: str, on: str):
            assert on == "val"
            value = values.get(metric)
            return None if value is None else Measurement(metric=metric, value=value, n=48, protocol="mean", on=on)

        return SimpleNamespace(get=get)

    def selected(self, factor: int) -> dict:
        return {"run": f"f{factor}-d16-S8-K64"}

    @staticmethod
    def _overhead(S: int, way: str, value: float, interval) -> Measurement:
        conditions = {"d": 128, "S": S, "K": 512, "batch": 8, "way": way}
        return Measurement(
            metric="overhead", value=value, interval=interval, n=7, protocol="medians", conditions=conditions
        )


@pytest.fixture
def settings(changed_params) -> Settings:
    return load(changed_params("scales.smoke.tokenizer.sweep", SWEEP + TWICE), "smoke")


def found(settings: Settings, *told, **changed) -> dict:
    return {claim.text: claim for claim in claims(Evidence(Plan(settings), Told(settings, *told, **changed)))}


@pytest.mark.parametrize(
    ("sign", "overhead", "verdict"),
    [(1, (0.01, (0.005, 0.02)), HOLDS), (-1, (0.3, (0.25, 0.4)), FAILS), (0, (0.1, (0.05, 0.15)), OPEN)],
)
@pytest.mark.parametrize("text", CLAIMS)
def test_each_claim_has_each_verdict(settings, text, sign, overhead, verdict):
    claim = found(settings, sign, overhead)[text]
    assert claim.verdict == verdict
    assert not any(finding.missing for finding in claim.findings)
    assert all("[" in finding.difference for finding in claim.findings)


def test_differences_are_the_true_ones(settings):
    """By hand from `truth`, at F=8 and K=64."""
    by_text = list(found(settings, 1).values())
    differences = {
        finding.compared.partition(";")[0]: finding.value
        for claim in by_text
        for finding in claim.findings
        if finding.metric != "rFID"
    }
    assert differences == {
        "Loss with each doubling of d": pytest.approx(0.5),
        "Gain with each doubling of d": pytest.approx(5),
        "Gain from S=4 to 8, less the gain from S=8 to 16": pytest.approx(3),
        "Gain from S=1 to 8": pytest.approx(8 + 9 + 0.06 + 2),
        "Gain from S=4 to 8 at K=64, less the gain from K=64 to 256": pytest.approx(3 - 0.02),
        "f16-d16-S8-K64, selected for F=16, against f8-d8-S1-K64, by this metric the best VQ of F=8": pytest.approx(
            8 + 9 + 0.06 + 1.5
        ),
        "f8-d16-S8-K64, selected for F=8, against kl-f8-d4": pytest.approx(8 + 9 + 0.06 + 5),
        "Rise with each doubling of S": pytest.approx(0.05),
        "Change from S=1 to 16 (F=8, d=16, K=64), less the size of the change from K=64 to 256 (F=8, d=16, S=8)": (
            pytest.approx(0.2 - 0.001)
        ),
        "Fall with each doubling of K": pytest.approx(0.05),
        "Nothing to compare": None,  # matching at S = 64
    }
    ratio = by_text[1].findings[1]
    assert (ratio.metric, ratio.value) == ("rFID", pytest.approx(math.e, rel=0.03))
    assert ratio.difference.startswith("×2.7")
    assert by_text[1].findings[0].seeds == "1 to 3"


def test_without_replicates_nothing_is_resolved_and_each_row_says_why(smoke):
    tested = found(smoke, 1)
    assert {claim.verdict for claim in tested.values()} == {OPEN}
    for claim in tested.values():
        assert all(finding.missing for finding in claim.findings)
    missing = {text: claim.findings[0].missing for text, claim in tested.items()}
    assert missing["VQ gets worse as d grows (Figure 3)"] == "needs two or more d with S=1, at one F and K"
    assert missing["PQ gets better as d grows (Figure 3)"] == NO_NOISE
    assert next(reversed(missing.values())) == "needs S=64 in the matching bench"
    assert summary(list(tested.values())).endswith("not resolved at this scale: 9.")


def test_what_is_not_finite_is_not_resolved_and_named(settings):
    broken = {"f8-d16-S1-K64": {"psnr": math.nan}, "kl-f8-d4": {"rfid": math.inf}}
    tested = found(settings, 1, changed=broken)
    psnr, rfid = tested["VQ gets worse as d grows (Figure 3)"].findings
    assert (psnr.verdict, psnr.missing) == (OPEN, "f8-d16-S1-K64 has no finite PSNR")
    assert (psnr.difference, rfid.verdict) == ("–", HOLDS)
    assert tested["PQ beats the KL autoencoder of the same trunk (Table 1)"].findings[1].missing == (
        "kl-f8-d4 has no finite rFID"
    )
    # and it is not the best VQ
    assert "against f8-d8-S1-K64" in tested["PQ at F=16 beats VQ at F=8 (Table 1)"].findings[0].compared


def test_a_configuration_without_the_metric_is_refused_in_one_line(settings):
    with pytest.raises(DataError, match=r"evaluate/kl-f8-d4: no headline 'psnr' on val; .*evaluate again") as caught:
        found(settings, 1, changed={"kl-f8-d4": {"psnr": None}})
    assert "\n" not in str(caught.value)


def test_the_line_is_the_longest_then_the_most_trained_then_the_nearest_to_the_best(changed_params):
    def line(*configs: dict) -> str:
        path = changed_params("scales.smoke.tokenizer.sweep", [*SWEEP[-2:], *configs])
        settings = load(path, "smoke")
        evidence = Evidence(Plan(settings), Told(settings, 1))
        return chosen(evidence, lines(evidence, "d", lambda config: config.S == 1)).where

    few = [{"F": 8, "d": d, "S": 1, "K": K} for K in (128, 512) for d in (8, 32)]
    few += [{"F": 8, "d": d, "S": 1, "K": 256} for d in (8, 32)]
    assert line(*few) == "F=8, S=1, K=512"  # as the reading's best
    assert line(*few, few[0] | {"seed": 1}) == "F=8, S=1, K=128"
    assert line(*few, few[0] | {"seed": 1}, {"F": 8, "d": 64, "S": 1, "K": 256}) == "F=8, S=1, K=256"
    none_near = [config for config in few if config["K"] != 512]
    assert line(*none_near) == "F=8, S=1, K=128"


def test_saturation_is_averaged_over_d(changed_params):
    sweep = [*SWEEP, *({"F": 8, "d": 32, "S": S, "K": 64} for S in (8, 32)), *TWICE]
    settings = load(changed_params("scales.smoke.tokenizer.sweep", sweep), "smoke")
    turn, *_ = found(settings, 1)["Gains from S saturate near S = d/2 (Figure 3)"].findings
    assert turn.compared.endswith("F=8, K=64; mean of d=16, 32")
    assert turn.value == pytest.approx(3)
    assert turn.means.count(":") == 6


def test_table_of_replicated_results(replicated):
    content = json.loads(replicated.render("table_claims", replicated.root).with_suffix(".json").read_text())
    outcomes = {row["group"].partition(".")[0]: row["outcome"] for row in content["rows"]}
    assert list(outcomes) == [str(number) for number in range(1, 10)]
    assert {HOLDS, FAILS, OPEN} == set(outcomes.values())
    texts = [{key: cell["text"] for key, cell in row["cells"].items()} for row in content["rows"]]
    for row, cells in zip(content["rows"], texts, strict=True):
        verdicts = {other["cells"]["verdict"]["text"] for other in content["rows"] if other["group"] == row["group"]}
        assert (row["outcome"] == HOLDS) == (verdicts == {HOLDS})
        assert ("[" in cells["difference"]) == (":" not in cells["verdict"])
        assert row["source"] == "computed"
    caption = content["caption"]
    assert "scale ‘smoke’, reading ‘paper’, set val, n = 48 images a training" in caption
    assert re.search(r"PSNR 0\.00\d+ dB \(2\), rFID 0\.\d+ % \(2\)", caption)  # degrees of freedom
    assert "InceptionV3 2048 (75 px), random weights (seed 0)" in caption
    assert "rFID numbers are not comparable with the paper's" in caption
    for cells in texts:
        assert "seed1" not in cells["compared"] + cells["means"]


def test_table_of_smoke_has_no_verdict(reports):
    content = json.loads((reports / "table_claims.json").read_text())
    assert {row["outcome"] for row in content["rows"]} == {OPEN}
    assert all(": " in row["cells"]["verdict"]["text"] for row in content["rows"])
    assert any("seed: 1" in note for note in content["notes"])
