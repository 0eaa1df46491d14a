"""Linear tokenizers are in no claim: neither product nor vector quantisers of the paper's, and no trainings."""

import math

import pytest
import yaml

from pqgan.report.claims import catalogue
from pqgan.settings import load

LINEAR = [
    {"kind": "linear", "F": 8, "d": 16, "S": 2, "K": 64},
    {"kind": "linear", "F": 8, "d": 16, "S": 1, "K": 128},
    *({"kind": "linear", "F": 8, "d": 64, "S": 32, "K": 256, "seed": seed} for seed in (1, 2, 3)),
]
READ = ("sweep", "codebooks", "baselines")
"""Modules of the claims that are tested on evaluations of the validation set."""
REPLICATES = [{"F": 8, "d": 16, "S": 8, "K": 64, "seed": 1}, {"F": 8, "d": 16, "S": 1, "K": 64, "seed": 1}]


@pytest.fixture
def told(params_path, evidence_of, hand, tmp_path):
    """Evidence of the smoke scale's evaluations, with linear baselines or without."""

    def made(linear: list[dict]):
        raw = yaml.safe_load(params_path.read_text())
        section = raw["scales"]["smoke"]["tokenizer"]
        section["sweep"] += REPLICATES
        section["baselines"] = [own for own in section["baselines"] if own["kind"] != "linear"] + linear
        path = tmp_path / f"{len(linear)}.yaml"
        path.write_text(yaml.safe_dump(raw, sort_keys=False))
        settings = load(path, "smoke")
        records = {}
        for name, config in settings.scale.tokenizer.configs.items():
            far = config.kind == "linear"  # better than all, and the same with every seed
            value = 0.5 if far else 1 + 0.1 * math.sin(sum(map(ord, name)))
            values = {"psnr": 90.0 if far else 20 * value, "rfid": value, "lpips": value, "cmmd": value}
            values |= {"H_n": value / 2, "P_n": value / 3}
            items = [hand.item(metric, own, 0.01 * own, on="val") for metric, own in values.items()]
            records["evaluate", name] = hand.record(*items)
        return evidence_of(settings, records, {8: "f8-d16-S8-K64", 16: "f16-d16-S8-K64"})

    return made


def test_they_neither_stand_in_a_comparison_nor_count_as_noise(told):
    without, beside = told([]), told([{"kind": "linear", "F": 8, "d": 64, "S": 32, "K": 256}, *LINEAR])
    assert any(config.kind == "linear" for config in beside.settings.scale.tokenizer.configs.values())
    assert beside.designs == without.designs
    for metric in ("psnr", "rfid", "H_n"):
        assert beside.measurements(metric) == without.measurements(metric)
    tests = [test for claim in catalogue.CLAIMS for test in claim.tests if test.__module__.rpartition(".")[2] in READ]
    compared = 0
    for test in tests:
        found = [test(evidence) for evidence in (without, beside)]
        assert found[0] == found[1], test
        compared += len(found[0])
    assert compared > 30
