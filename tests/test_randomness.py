"""Randomness is a function of (seed, step, stream)."""

import itertools
import pickle
import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from whole_plan import whole_plan

from pqgan.data.prepare import run as prepare
from pqgan.diffusion.ldm import train_ldm
from pqgan.randomness import generator_at, rng_at, seed_at, seeded
from pqgan.settings import Settings
from pqgan.tokenizer.train import train

TOKENIZER = "f8-d16-S8-K64"


def global_state() -> dict[str, bytes]:
    """State of every generator that a library may draw from unasked, by its owner."""
    state = {
        "torch": torch.get_rng_state().numpy().tobytes(),
        "numpy": pickle.dumps(np.random.get_state()),  # noqa: NPY002
        "python": pickle.dumps(random.getstate()),
    }
    if torch.cuda.is_available():
        state["cuda"] = torch.cuda.get_rng_state().numpy().tobytes()
    return state


def test_same_arguments_same_numbers_and_global_state_untouched():
    before = global_state()
    first, again = (torch.rand(5, generator=generator_at(1, 2, "noise")) for _ in range(2))
    assert torch.equal(first, again)
    assert rng_at(1, 2, "crop").integers(1 << 40) == rng_at(1, 2, "crop").integers(1 << 40)
    assert global_state() == before


def test_seeds_differ_between_seeds_steps_and_streams():
    seeds = {seed_at(*point) for point in itertools.product(range(10), range(100), ("noise", "crop"))}
    assert len(seeds) == 2000


def test_fields_of_a_point_cannot_be_mistaken_for_each_other():
    assert len({seed_at(1, 12, "a"), seed_at(11, 2, "a"), seed_at(1, 1, "2/a"), seed_at(112, 0, "a")}) == 4


@pytest.mark.parametrize("other", [(1, 2, "noise"), (0, 3, "noise"), (0, 2, "crop")], ids=["seed", "step", "stream"])
def test_numbers_of_two_points_are_unrelated(other):
    def normal(point):
        return torch.randn(20_000, generator=generator_at(*point), dtype=torch.float64)

    def uniform(point):
        return torch.from_numpy(rng_at(*point).random(20_000))

    for draw in (normal, uniform):
        pair = torch.stack([draw((0, 2, "noise")), draw(other)])
        assert abs(torch.corrcoef(pair)[0, 1].item()) < 0.03  # four standard errors


def test_seed_is_pinned():
    """A changed derivation would change every result without changing an address."""
    assert seed_at(0, 0, "noise") == 3996060282951318774


def test_another_process_draws_the_same_numbers():
    """Whatever its hash seed and however it was started."""
    code = (
        "import torch; from pqgan.randomness import *;"
        "print(torch.rand(3, generator=generator_at(1, 2, 'noise')).tolist(), rng_at(1, 2, 'crop').integers(1 << 40))"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    here = torch.rand(3, generator=generator_at(1, 2, "noise")).tolist(), rng_at(1, 2, "crop").integers(1 << 40)
    assert said == f"{here[0]} {here[1]}\n"


def test_seeded_depends_on_seed_and_stream_and_leaves_the_global_generator():
    before = global_state()
    draws = []
    for seed, stream in ((0, "a"), (0, "a"), (1, "a"), (0, "b")):
        with seeded(seed, stream):
            draws.append(torch.rand(4))
    assert torch.equal(draws[0], draws[1])
    assert not torch.equal(draws[0], draws[2])
    assert not torch.equal(draws[0], draws[3])
    assert global_state() == before


def test_seeded_leaves_the_global_generator_after_an_error():
    def fail():
        with seeded(0, "a"):
            torch.rand(1)
            raise KeyError

    before = global_state()
    with pytest.raises(KeyError):
        fail()
    assert global_state() == before


@pytest.fixture(scope="module")
def tiny(smoke) -> Settings:
    raw = smoke.model_dump()
    scale, reading = raw["scale"], raw["reading"]
    scale["data"]["sets"]["train"] |= {"crops": 12, "size": 32}
    scale["tokenizer"]["training"] |= {"steps": 3, "resolution": 32, "log_every": 2, "scaling_images": 4}
    scale["ldm"] |= {"steps": 3, "batch": 4, "resolution": 32}
    scale["ldm"]["unet"]["block_out_channels"] = [16, 32]
    scale["hardware"]["workers"] = 1
    scale["upkeep"] |= {"checkpoint_every": 2, "pictures_every": 2, "pictures": 2}
    reading["training"] |= {"total_batch": 4, "discriminator_start": 2}
    return Settings.model_validate(raw)


@pytest.fixture(scope="module")
def prepared(tiny, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("randomness") / "train"
    prepare(tiny, whole_plan(tiny).job("data", "train"), out=folder)
    return folder


def test_trainings_neither_read_nor_move_a_global_generator(tiny, prepared, tmp_path):
    """All of a step is drawn from its own point; so whatever a library or a user does beside it changes nothing."""
    plan, weights = whole_plan(tiny), []
    for name in ("first", "again"):
        folder = tmp_path / name
        torch.manual_seed(len(weights))
        np.random.seed(len(weights))  # noqa: NPY002
        random.seed(len(weights))
        before = global_state()
        given = {"data": prepared, "run": folder / "run", "out": folder / "tokenizer"}
        train(tiny, plan.job("tokenizer", TOKENIZER), **given)
        assert global_state() == before
        given = {"tokenizer": folder / "tokenizer", "data": prepared, "run": folder / "run-ldm", "out": folder / "ldm"}
        train_ldm(tiny, plan.job("ldm", "pqgan-f8"), **given)
        assert global_state() == before
        results = [file for out in ("tokenizer", "ldm") for file in (folder / out).rglob("*.safetensors")]
        weights.append({file.relative_to(folder): file.read_bytes() for file in results})
    assert len(weights[0]) == 4  # tokenizer, its discriminator, U-Net, class embedding
    assert weights[0] == weights[1]
