"""A tokenizer's step at the smoke size, and images for it: fixtures of two folders of tests."""

from types import SimpleNamespace

import pytest
import torch

from pqgan.engine.launch import make_fabric
from pqgan.tokenizer.assemble import assemble, new_discriminator
from pqgan.tokenizer.build import build


@pytest.fixture
def make_step(plain):
    """Assemble the step of a configuration as training does; its networks start from the same weights every time."""

    def make(
        name: str,
        *,
        start: int = 1,
        precision: str = "32-true",
        normalisation: str = "minus_one_one",
        revive_after: int | None = None,
        **hardware,
    ):
        codebook = plain.scale.tokenizer.codebook.model_copy(update={"revive_after": revive_after})
        section = plain.scale.tokenizer.model_copy(update={"codebook": codebook})
        config = section.configs[name]
        data = plain.reading.data.model_copy(update={"normalisation": normalisation})
        reading = plain.reading.model_copy(update={"data": data})
        hardware = plain.scale.hardware.model_copy(update=hardware)
        scale = plain.scale.model_copy(update={"hardware": hardware, "tokenizer": section})
        settings = plain.model_copy(update={"reading": reading, "scale": scale})
        fabric = make_fabric(scale.hardware, precision)
        step, state = assemble(
            fabric,
            settings,
            build(config, section.trunks[config.F], reading, 0),
            config,
            new_discriminator(settings),
            scale.evaluation.features,
            training=section.training.model_copy(update={"learning_rate": 1e-3, "perceptual_weight": 1.0}),
            batch=4,
            discriminator_start=start,
        )

        def update(number: int, batch) -> dict[str, torch.Tensor]:
            """What the loop does with a step's updates; the losses."""
            losses = {}
            for update in step(number, batch):
                optimiser = state.optimisers[update.optimiser]
                optimiser.zero_grad()
                fabric.backward(update.loss)
                optimiser.step()
                losses |= {name: loss.detach() for name, loss in update.losses.items()}
            return losses

        return SimpleNamespace(step=step, state=state, fabric=fabric, update=update, **state.modules)

    return make


@pytest.fixture
def batch():
    coarse = torch.rand(4, 3, 4, 4, generator=torch.Generator().manual_seed(0)) * 2 - 1
    return SimpleNamespace(images=torch.nn.functional.interpolate(coarse, size=64, mode="bilinear"))
