"""A toy training with all that a real one has: two networks, two optimisers, a moving average, several losses."""

import os
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from pqgan.engine.launch import make_fabric, set_up
from pqgan.engine.loop import Update, fit
from pqgan.engine.run_folder import RunFolder, open_run
from pqgan.engine.state import TrainingState
from pqgan.randomness import generator_at, seeded
from pqgan.settings.scale import Upkeep

IDENTITY = {"settings": "a" * 64, "data": "b" * 64}


@pytest.fixture(scope="session")
def fabric(smoke):
    return make_fabric(smoke.scale.hardware, "32-true")


@pytest.fixture
def toy(fabric, smoke):
    """Make a training as at step 0."""
    return lambda **options: Toy(fabric, smoke.scale.hardware, **options)


@pytest.fixture
def upkeep() -> Upkeep:
    return Upkeep(checkpoint_every=3, checkpoints_kept=2, pictures_every=4, pictures=1)


@pytest.fixture
def saved():
    """Steps of the checkpoints in a run folder."""
    return lambda path: sorted(int(name.removeprefix("step-")) for name in os.listdir(path / "checkpoints"))


class Toy:
    """Like a tokenizer: the second network plays from update 4 on.

    Args:
        steps: total updates.
        before: called with the number of each step before it; what it raises, the step raises.
        loss: (number, loss) -> loss that is used instead.
    """

    def __init__(self, fabric, hardware, steps: int = 10, before=lambda number: None, loss=lambda number, loss: loss):
        self.fabric, self.steps, self.before, self.loss = fabric, steps, before, loss
        with seeded(0, "toy"):
            self.generator = nn.Sequential(nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3), nn.Conv2d(3, 2, 1))
            self.critic = nn.Linear(2, 1)
        self.average = AveragedModel(self.generator, multi_avg_fn=get_ema_multi_avg_fn(0.9))
        self.wrapped, optimisers = {}, {}
        for name, network, kind in (
            ("generator", self.generator, torch.optim.Adam),
            ("critic", self.critic, torch.optim.AdamW),
        ):
            optimiser = kind(network.parameters(), lr=1e-2, fused=True)
            self.wrapped[name], optimisers[name] = set_up(fabric, hardware, network, optimiser)
        networks = {"generator": self.generator, "critic": self.critic, "average": self.average}
        self.state = TrainingState(networks, optimisers)
        self.order: list[str] = []
        """What happened, as one word an event."""

    def step(self, number: int, batch: SimpleNamespace) -> Iterator[Update]:
        self.before(number)
        before = self.generator[0].weight.detach().clone()
        made = self.wrapped["generator"](batch.images)  # (B, 2, 4, 4)
        loss = self.loss(number, made.square().mean())
        yield Update("generator", loss, {"reconstruction": loss.detach(), "made": made.detach().abs()})
        self.order.append("moved" if not torch.equal(before, self.generator[0].weight) else "still")
        self.average.update_parameters(self.generator)
        if number >= 3:
            loss = self.wrapped["critic"](made.detach().mean(dim=(2, 3))).square().mean()
            yield Update("critic", loss, {"critic": loss.detach()})

    def batches(self, first: int) -> Iterator[tuple[int, SimpleNamespace]]:
        for number in range(first, self.steps):
            yield number, SimpleNamespace(images=torch.randn(4, 2, 6, 6, generator=generator_at(0, number, "toy")))

    def train(self, folder: Path, upkeep: Upkeep, log_every: int = 4, then=lambda run: None, **options) -> None:
        """Own the folder, train to the end, call `then` with the run."""
        with open_run(self.fabric, folder, IDENTITY) as run:
            self.fit(run, upkeep, log_every, **options)
            then(run)

    def fit(self, run: RunFolder, upkeep: Upkeep, log_every: int = 4, **options) -> None:
        given = {"steps": self.steps, "log_every": log_every, "name": "toy", **options}
        fit(self.fabric, self.step, self.state, self.batches, run=run, upkeep=upkeep, **given)
