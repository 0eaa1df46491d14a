from types import SimpleNamespace

import pytest
import torch

from pqgan.data.prepared import PreparedSet
from pqgan.diffusion.training import Phases
from pqgan.settings.diffusion import Phase


@pytest.fixture
def phases():
    lines = [(64, 2, 2, 8e-5), (32, 3, 4, 2e-5)]
    return Phases(
        [Phase(resolution=side, steps=steps, batch=batch, learning_rate=rate) for side, steps, batch, rate in lines]
    )


def test_rate_changes_with_the_phase(phases):
    assert phases.steps == 5
    assert [phases.learning_rate(number) for number in range(5)] == [8e-5, 8e-5, 2e-5, 2e-5, 2e-5]


def test_batches_change_with_the_phase_on_one_count(phases, tiny, captioned):
    fabric = SimpleNamespace(global_rank=0, world_size=1, device=torch.device("cpu"))
    found = list(phases.batches(PreparedSet(captioned), tiny, fabric))
    assert [number for number, _ in found] == [0, 1, 2, 3, 4]
    shapes = [tuple(batch.images.shape) for _, batch in found]
    assert shapes == [(2, 3, 64, 64)] * 2 + [(4, 3, 32, 32)] * 3
    for first in range(6):
        later = list(phases.batches(PreparedSet(captioned), tiny, fabric, first))
        assert [number for number, _ in later] == list(range(first, 5))
        for (_, one), (_, other) in zip(found[first:], later, strict=True):
            assert torch.equal(one.images, other.images)
            assert one.captions == other.captions
