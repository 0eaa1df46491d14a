"""Where the settings of the matching bench arrive: what is timed, how often and on how much."""

import pytest
import torch

from pqgan.bench import matching_overhead, matching_search
from pqgan.bench.other_libraries import Search
from pqgan.settings.evaluation import SearchCase


@pytest.fixture
def settings(smoke):
    bench = smoke.scale.matching
    search = bench.search.model_copy(update={"positions": 70, "repeats": 4, "cases": (SearchCase(d=8, S=4, K=16),)})
    update = {"configs": bench.configs[:1], "batches": (3, 2), "repeats": 5, "resolution": 32, "search": search}
    hardware = smoke.scale.hardware.model_copy(update={"compile": True})
    scale = smoke.scale.model_copy(update={"matching": bench.model_copy(update=update), "hardware": hardware})
    return smoke.model_copy(update={"scale": scale})


def test_reconstructions_are_of_the_settings_batches_and_never_compiled(settings, monkeypatch):
    turns, laid_out = [], []

    def in_turns(ways, device, repeats, patience):
        turns.append((sorted({kind for kind, _ in ways}), repeats))
        for work in ways.values():
            work()
        return {way: [2.0 if way[1] == "without" else 2.5] * repeats for way in ways}

    seen = []
    encode = matching_overhead.PQModel.encode_continuous
    monkeypatch.setattr(
        matching_overhead.PQModel, "encode_continuous", lambda self, x: seen.append(tuple(x.shape)) or encode(self, x)
    )
    decode, as_they_are = matching_overhead.PQModel.decode, []

    def decoded(self, z, **how):
        as_they_are.append(how)
        return decode(self, z, **how)

    monkeypatch.setattr(matching_overhead.PQModel, "decode", decoded)
    monkeypatch.setattr(matching_overhead, "in_turns", in_turns)
    monkeypatch.setattr(matching_overhead, "lay_out", lambda hardware, model: laid_out.append(hardware.compile))
    found = matching_overhead.overheads(settings, torch.device("cpu"))
    assert turns == [(["quantiser", "reconstruction"], 5)] * 2
    # latents of the quantiser by itself, then a reconstruction without and with each of two quantisers
    assert seen == [(3, 3, 32, 32)] * 4 + [(2, 3, 32, 32)] * 4
    assert as_they_are == [{"force_not_quantize": True}] * 6
    assert laid_out == [False]
    added = {item.conditions["batch"]: item.value for item in found if item.metric == "overhead"}
    assert added == {3: pytest.approx(0.25), 2: pytest.approx(0.25)}


def test_searches_are_of_the_settings_positions_and_repeats(settings):
    """Of a way that notes what it is given, and finds the nearest codewords by brute force."""
    given = []

    def prepare(z, codebooks):
        def find(latents):
            given.append(len(latents))
            parts = latents.view(len(latents), 4, 2)
            return torch.stack([torch.cdist(parts[:, s], codebooks[s]).argmin(1) for s in range(4)], dim=1)

        return Search(find, lambda raw: raw)

    bench = settings.scale.matching.search
    searches = matching_search.Searches(bench, torch.device("cpu"), seed=0, ways={"compiled": prepare})
    found = searches.measure(bench.cases[0])
    # one to set up, one by itself, one to warm up and four in turns
    assert given == [1, 70, 70, 70, 70, 70, 70]
    seconds, wrong = found.measurements
    assert (seconds.metric, seconds.n, wrong.metric, wrong.value, wrong.n) == (
        "matching_seconds",
        4,
        "wrong_codes",
        0,
        70 * 4,
    )
    assert seconds.conditions == {"d": 8, "S": 4, "K": 16, "positions": 70, "way": "compiled"}
