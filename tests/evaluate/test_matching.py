"""The bench of Figure 5."""

import pytest
import torch

from pqgan.evaluate.matching import _rows, run
from pqgan.plan import Plan
from pqgan.records import read_record
from pqgan.settings import PQConfig


@pytest.fixture(scope="module")
def bench(smoke):
    configs = (PQConfig(F=8, d=16, S=1, K=64), PQConfig(F=8, d=16, S=16, K=512))
    update = {"configs": configs, "batch": 2, "repeats": 3}
    scale = smoke.scale.model_copy(update={"matching": smoke.scale.matching.model_copy(update=update)})
    return smoke.model_copy(update={"scale": scale})


def test_every_configuration_is_timed_both_ways(bench, tmp_path):
    before = torch.get_rng_state()
    run(bench, Plan(bench).job("matching", "matching"), out=tmp_path / "out")
    assert torch.equal(before, torch.get_rng_state())
    record = read_record(tmp_path / "out")
    assert record.kind == "matching"
    assert record.subject["F"] == 8
    assert record.subject["device"].startswith("CPU")
    for config in bench.scale.matching.configs:
        rows = {
            m.metric: m
            for m in record.measurements
            if (m.conditions["d"], m.conditions["S"], m.conditions["K"]) == (config.d, config.S, config.K)
        }
        assert set(rows) == {"seconds_with", "seconds_without", "matching_seconds", "overhead"}
        with_, without = rows["seconds_with"].value, rows["seconds_without"].value
        assert rows["overhead"].value == pytest.approx(with_ / without - 1)
        assert 0 < rows["matching_seconds"].value < with_
        assert {m.n for m in rows.values()} == {3}
        assert rows["overhead"].conditions["batch"] == 2


def test_overhead_is_a_share_of_the_time_without():
    rows = _rows({"seconds_with": 3.0, "seconds_without": 2.0, "matching_seconds": 0.9}, "CPU")
    assert rows[-1]["metric"] == "overhead"
    assert rows[-1]["value"] == 0.5
