"""The bench of Figure 5: its record and its table."""

import time

import pytest
import torch
from whole_plan import whole_plan

from pqgan.bench import full_size, matching_overhead, matching_search
from pqgan.bench.matching_overhead import rows
from pqgan.bench.matching_table import table
from pqgan.bench.other_libraries import FULL, WAYS, LeftOut
from pqgan.bench.plain_step import LoopedQuantiser
from pqgan.quantise.matching import available
from pqgan.quantise.product import ProductQuantiser
from pqgan.randomness import seeded
from pqgan.records import read_record
from pqgan.settings import PQConfig
from pqgan.settings.evaluation import SearchBench, SearchCase

CASES = (SearchCase(d=16, S=4, K=64), SearchCase(d=16, S=1, K=64))


@pytest.fixture(scope="module")
def bench(smoke):
    update = {
        "configs": (PQConfig(F=8, d=16, S=1, K=64), PQConfig(F=8, d=16, S=16, K=512)),
        "batches": (1, 2),
        "repeats": 3,
        "search": SearchBench(positions=100, repeats=2, cases=CASES),
    }
    scale = smoke.scale.model_copy(update={"matching": smoke.scale.matching.model_copy(update=update)})
    return smoke.model_copy(update={"scale": scale})


@pytest.fixture(scope="module")
def result(bench, tmp_path_factory):
    out = tmp_path_factory.mktemp("matching") / "out"
    before = torch.get_rng_state()
    full_size.matching(bench, whole_plan(bench).job("matching", "matching"), out=out, figure=False)
    assert torch.equal(before, torch.get_rng_state())
    return out


def test_every_configuration_is_timed_with_both_quantisers_and_without(bench, result):
    record = read_record(result)
    assert record.kind == "matching"
    assert record.subject["F"] == 8
    assert record.device.startswith("CPU")
    for config in bench.scale.matching.configs:
        for batch in bench.scale.matching.batches:
            found = {
                (item.metric, item.conditions.get("way")): item
                for item in record.measurements
                if item.conditions.get("batch") == batch
                and (item.conditions["d"], item.conditions["S"], item.conditions["K"]) == (config.d, config.S, config.K)
            }
            metrics = ("seconds_with", "overhead", "quantiser_seconds", "matching_overhead")
            both = {(metric, way) for metric in metrics for way in ("pqgan", FULL)}
            assert set(found) == both | {("seconds_without", None)}
            assert {item.n for item in found.values()} == {3}
            without = found["seconds_without", None].value
            for way in ("pqgan", FULL):
                added = found["seconds_with", way].value / without - 1
                assert found["overhead", way].value == pytest.approx(added)
                assert 0 < found["quantiser_seconds", way].value < found["seconds_with", way].value


def test_every_backend_and_peer_is_measured_or_named_with_a_reason(result):
    record = read_record(result)
    for case in CASES:
        wanted = case.model_dump()
        rows = [item for item in record.measurements if item.conditions | wanted == item.conditions]
        timed = {item.conditions["way"]: item for item in rows if item.metric == "matching_seconds"}
        named = {item["way"]: item["why"] for item in record.subject["left_out"] if wanted in item["cases"]}
        assert set(timed) | set(named) == set(WAYS)
        assert not set(timed) & set(named)
        assert all(named.values())
        assert set(available("cpu")) | {FULL} <= set(timed)
        assert all(item.value > 0 and item.n == 2 for item in timed.values())
        assert timed[FULL].conditions["positions"] == 100
        wrong = {item.conditions["way"]: item for item in rows if item.metric == "wrong_codes"}
        assert set(wrong) == set(timed)
        assert wrong["torch"].n == 100 * case.S
        assert wrong["torch"].value == 0


def test_the_table_holds_the_numbers_of_the_record(result):
    record = read_record(result)
    text = (result / "table.txt").read_text()
    assert text == table(record) + "\n"
    assert "d/S/K" in text
    for way in WAYS:
        assert way in text
    seconds = [item.value for item in record.measurements if item.metric == "matching_seconds"]
    assert all(f"{value * 1e3:.2f}" in text for value in seconds if value < 0.01)
    for metric, form in (("overhead", "+.1%"), ("matching_overhead", ".1%")):
        values = [item.value for item in record.measurements if item.metric == metric]
        assert len(values) == 8
        assert all(f" {value:{form}}" in text for value in values), metric
    assert "left out: triton: " in text


def test_the_table_compares_with_the_best_of_each_library(result):
    record = read_record(result)
    timed = [item for item in record.measurements if item.metric == "matching_seconds" and item.conditions["S"] == 4]
    ways = {record.subject["backend"]: 0.002, "faiss ProductQuantizer": 0.008, FULL: 0.05}
    ways["faiss ProductQuantizer, transposed"] = 0.006
    made = [
        timed[0].model_copy(update={"conditions": timed[0].conditions | {"way": way}, "value": value})
        for way, value in ways.items()
    ]
    lines = table(record.model_copy(update={"measurements": made})).splitlines()
    cells = {" ".join(line.split()[:-1]): line.split()[-1] for line in lines if line.startswith("  ")}
    assert cells["best of faiss"] == "3.00"
    assert cells["best of vector-quantize-pytorch"] == "-"
    assert [line.split()[-1] for line in lines if line.strip().startswith(FULL)] == ["50.0", "25.00"]


def test_overhead_is_a_share_of_the_time_without():
    seconds = {
        ("reconstruction", "without"): [2.0, 1.0, 3.0],
        ("reconstruction", "pqgan"): [3.0, 2.5, 3.5],
        ("quantiser", "pqgan"): [0.9],
    }
    found = {row.metric: row for row in rows(seconds, {"d": 4, "S": 2, "K": 8, "batch": 1, "resolution": 64}, "CPU")}
    assert found["overhead"].value == 0.5
    assert found["overhead"].conditions["way"] == "pqgan"
    low, high = found["overhead"].interval
    # the turns alone add 0.17, 0.5 and 1.5
    assert 0.1 < low < 0.5 < high <= 1.5
    assert found["quantiser_seconds"].n == 1
    assert "way" not in found["seconds_without"].conditions


def test_matching_overhead_is_the_quantisers_own_time_over_that_without_of_means():
    """Of the turns in which both were run: here the first three, as the quantiser had no time for the fourth."""
    seconds = {
        ("reconstruction", "without"): [2.0, 1.0, 6.0, 90.0],
        ("reconstruction", "pqgan"): [9.0, 9.0, 9.0, 9.0],
        ("quantiser", "pqgan"): [0.5, 0.6, 3.4],
    }
    found = {row.metric: row for row in rows(seconds, {"d": 4, "S": 2, "K": 8, "batch": 1, "resolution": 64}, "CPU")}
    row = found["matching_overhead"]
    assert row.value == pytest.approx(1.5 / 3)
    assert row.n == 3
    assert row.conditions == {"d": 4, "S": 2, "K": 8, "batch": 1, "resolution": 64, "way": "pqgan"}
    assert "of means over all turns" in row.protocol
    low, high = row.interval
    # each turn keeps both of its times: alone they are 0.25, 0.6 and 0.57
    assert 0.25 <= low < 0.5 < high <= 0.6
    assert found["quantiser_seconds"].value == 0.6


def test_quantisers_compute_in_fp32_whatever_the_networks_do():
    with seeded(0, "test"):
        quantiser = ProductQuantiser(16, 4, 64)
        z_e = torch.randn(2, 16, 8, 8)
    for each in (quantiser, LoopedQuantiser(quantiser)):
        expected = each(z_e)
        with torch.autocast("cpu", torch.bfloat16):
            found = matching_overhead._in_fp32(each)(z_e)
        assert found.z_q.dtype == torch.float32
        assert torch.equal(found.codes, expected.codes)


def _prepared(find):
    def prepare(z, codebooks):
        return matching_search.Search(find, lambda codes: codes)

    return prepare


def _searched(ways, positions=64, repeats=3):
    settings = SearchBench(positions=positions, repeats=repeats, cases=CASES)
    return matching_search.Searches(settings, torch.device("cpu"), 0, ways).measure(CASES[0])


def test_a_slow_search_is_run_once_and_a_slower_one_left_out(monkeypatch):
    monkeypatch.setattr(matching_search, "PATIENCE", 0.02)
    monkeypatch.setattr(matching_search, "LONGEST", 3.0)
    clock = {1: 0.001, 8: 0.004, 64: 0.03}

    def slow(z, factor=1):
        time.sleep(factor * clock[len(z)])
        return torch.zeros(len(z), 4, dtype=torch.int64)

    found = _searched({"slow": _prepared(slow), "slower": _prepared(lambda z: slow(z, 50))})
    assert list(found.left_out) == ["slower"]
    assert "more than 3 s" in found.left_out["slower"]
    assert {item.n for item in found.measurements if item.metric == "matching_seconds"} == {1}


def test_a_search_may_leave_itself_out():
    def prepare(z, codebooks):
        raise LeftOut("it rains")

    found = _searched({"shy": prepare})
    assert found.left_out == {"shy": "it rains"}
    assert found.measurements == []


def test_wrong_codes_are_counted_and_ties_are_not_wrong():
    codebooks = torch.tensor([[[0.0], [1.0], [1.0]], [[0.0], [5.0], [9.0]]])  # (S, K, c)
    z = torch.tensor([[0.9, 4.0], [0.1, 8.0]])
    nearest = torch.tensor([[1, 1], [0, 2]])
    tied, one_wrong = nearest.clone(), nearest.clone()
    tied[0, 0] = 2
    one_wrong[1, 1] = 1
    n, wrong = matching_search.wrong_codes(z, codebooks, {"right": nearest, "tied": tied, "wrong": one_wrong})
    assert n == 2
    assert wrong == {"right": 0, "tied": 0, "wrong": 0.25}


@pytest.mark.parametrize("c", [3, 12])
def test_wrong_codes_of_a_sample_of_the_positions(c, monkeypatch):
    draw = torch.Generator().manual_seed(0)
    z, codebooks = torch.randn(100, 2 * c, generator=draw), torch.randn(2, 16, c, generator=draw)
    codes = torch.cdist(z.view(100, 2, c).transpose(0, 1).double(), codebooks.double()).argmin(dim=2).T
    monkeypatch.setattr(matching_search, "CHECKED", 25 * 2 * 16 * min(c, 8))
    n, wrong = matching_search.wrong_codes(z, codebooks, {"right": codes, "next": (codes + 1) % 16})
    assert n == 25
    assert wrong == {"right": 0, "next": 1}
