"""Random numbers of a step: a function of (seed, step, stream), on however many devices."""

from types import SimpleNamespace

import torch

from pqgan.engine.step_random import Draws
from pqgan.randomness import generator_at


def fabric(rank: int = 0, world: int = 1):
    return SimpleNamespace(device=torch.device("cpu"), global_rank=rank, world_size=world)


def test_they_do_not_depend_on_the_number_of_devices():
    whole = Draws(fabric(), 0)
    for world in (2, 4):
        parts, rows = [Draws(fabric(rank, world), 0) for rank in range(world)], 4 // world
        for one, several in (
            (whole.normal(3, "noise", (4, 2, 3)), [part.normal(3, "noise", (rows, 2, 3)) for part in parts]),
            (whole.uniform(3, "captions", 4), [part.uniform(3, "captions", rows) for part in parts]),
            (whole.integers(3, "times", 4, 1000), [part.integers(3, "times", rows, 1000) for part in parts]),
        ):
            assert torch.equal(one, torch.cat(several))


def test_they_are_those_of_the_generator_at_that_point():
    found = Draws(fabric(), 5).normal(7, "noise", (2, 3))
    assert torch.equal(found, torch.randn(2, 3, generator=generator_at(5, 7, "noise")))


def test_they_cover_all_values_and_differ_between_seeds_steps_and_streams():
    draws = Draws(fabric(), 0)
    assert draws.integers(0, "timesteps", 20_000, 1000).unique().tolist() == list(range(1000))
    uniform = draws.uniform(0, "captions", 10_000)
    assert 0 <= uniform.min() < 0.01
    assert 0.99 < uniform.max() < 1
    points = [(0, 0, "noise"), (1, 0, "noise"), (0, 1, "noise"), (0, 0, "captions")]
    rows = torch.stack([Draws(fabric(), seed).normal(step, stream, (8,)) for seed, step, stream in points])
    assert len(rows.unique(dim=0)) == 4


def test_they_leave_the_global_generator_alone():
    before = torch.get_rng_state()
    Draws(fabric(), 0).normal(0, "noise", (2, 3))
    assert torch.equal(before, torch.get_rng_state())
