"""Randomness is a function of (seed, step, stream)."""

import itertools

import torch

from pqgan.randomness import generator_at, rng_at, seed_at, seeded


def test_same_arguments_same_numbers_and_global_state_untouched():
    before = torch.get_rng_state()
    first, again = (torch.rand(5, generator=generator_at(1, 2, "noise")) for _ in range(2))
    assert torch.equal(first, again)
    assert torch.equal(torch.get_rng_state(), before)
    assert rng_at(1, 2, "crop").integers(1 << 40) == rng_at(1, 2, "crop").integers(1 << 40)


def test_seeds_differ_between_seeds_steps_and_streams():
    seeds = {seed_at(*point) for point in itertools.product(range(10), range(100), ("noise", "crop"))}
    assert len(seeds) == 2000


def test_seed_is_pinned():
    """A changed derivation would change every result without changing an address."""
    assert seed_at(0, 0, "noise") == 3996060282951318774


def test_seeded_depends_on_seed_and_stream_and_leaves_the_global_generator():
    torch.manual_seed(5)
    before = torch.random.get_rng_state()
    draws = []
    for seed, stream in ((0, "a"), (0, "a"), (1, "a"), (0, "b")):
        with seeded(seed, stream):
            draws.append(torch.rand(4))
    assert torch.equal(draws[0], draws[1])
    assert not torch.equal(draws[0], draws[2])
    assert not torch.equal(draws[0], draws[3])
    assert torch.equal(before, torch.random.get_rng_state())
