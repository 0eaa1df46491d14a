from types import SimpleNamespace

import pytest
import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from pqgan.data.batches import Batch
from pqgan.diffusion.schedule import noise_schedule
from pqgan.diffusion.step import DenoisingStep, target
from pqgan.engine.step_random import Draws
from pqgan.errors import SettingsError
from pqgan.randomness import generator_at

BETAS = torch.linspace(0.00085**0.5, 0.012**0.5, 1000, dtype=torch.float64) ** 2
ALPHAS = (1 - BETAS).cumprod(0)


class Linear(nn.Module):
    """The smallest denoiser that uses all it is given, and its own set-up module."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.tensor([0.3, -0.2, 0.1]))

    @property
    def module(self):
        return self

    def forward(self, noisy, timesteps, condition):
        return self.scale[0] * noisy + self.scale[1] * timesteps.view(-1, 1, 1, 1) / 1000 + self.scale[2] * condition


def make_step(kind: str, encode=lambda images: images[:, :2], rate=lambda number: 0.1, **options):
    denoiser = Linear()
    step = DenoisingStep(
        denoiser,
        torch.optim.SGD(denoiser.parameters(), lr=123.0),
        noise_schedule(0.00085, 0.012, kind),
        encode,
        lambda number, batch: torch.full((len(batch.images), 1, 1, 1), 0.5),
        rate=rate,
        draws=Draws(SimpleNamespace(device=torch.device("cpu"), global_rank=0, world_size=1), seed=3),
        **options,
    )
    return denoiser, step


def update(step: DenoisingStep, number: int, images: Batch) -> float:
    """What the loop does with a step; the loss."""
    losses = []
    for asked in step(number, images):
        step.optimiser.zero_grad()
        asked.loss.backward()
        step.optimiser.step()
        losses.append({name: loss.item() for name, loss in asked.losses.items()})
    (only,) = losses
    return only["loss"]


def batch(size: int = 4) -> Batch:
    generator = torch.Generator().manual_seed(1)
    return Batch(torch.randn(size, 3, 6, 6, generator=generator), torch.zeros(size, dtype=torch.int64), [""] * size)


def test_targets_follow_their_formulas():
    generator = torch.Generator().manual_seed(0)
    latents, noise = (torch.randn(3, 2, 4, 4, generator=generator) for _ in range(2))
    timesteps = torch.tensor([0, 500, 999])
    alpha = ALPHAS[timesteps].view(-1, 1, 1, 1)
    velocity = alpha.sqrt() * noise.double() - (1 - alpha).sqrt() * latents.double()
    assert torch.equal(target(noise_schedule(0.00085, 0.012, "epsilon"), latents, noise, timesteps), noise)
    found = target(noise_schedule(0.00085, 0.012, "v_prediction"), latents, noise, timesteps)
    torch.testing.assert_close(found.double(), velocity, rtol=1e-4, atol=1e-5)


def test_other_prediction_types_are_refused_in_one_line():
    noise = torch.zeros(1, 2, 4, 4)
    with pytest.raises(SettingsError, match=r"'sample'; allowed: epsilon, v_prediction") as error:
        target(noise_schedule(0.00085, 0.012, "sample"), noise, noise, torch.tensor([0]))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("kind", ["epsilon", "v_prediction"])
def test_update_is_the_one_written_out_by_hand(kind):
    denoiser, step = make_step(kind)
    scale = denoiser.scale.detach().clone().double().requires_grad_()
    number, images = 7, batch()
    loss = update(step, number, images)

    latents = images.images[:, :2].double()
    noise = torch.randn(4, 2, 6, 6, generator=generator_at(3, number, "noise")).double()
    timesteps = torch.randint(1000, (4,), generator=generator_at(3, number, "timesteps"))
    alpha = ALPHAS[timesteps].view(-1, 1, 1, 1)
    noisy = alpha.sqrt() * latents + (1 - alpha).sqrt() * noise
    wanted = noise if kind == "epsilon" else alpha.sqrt() * noise - (1 - alpha).sqrt() * latents
    prediction = scale[0] * noisy + scale[1] * timesteps.view(-1, 1, 1, 1) / 1000 + scale[2] * 0.5
    expected = (prediction - wanted).square().mean()
    expected.backward()
    assert loss == pytest.approx(expected.item(), rel=1e-4)
    torch.testing.assert_close(denoiser.scale.double(), (scale - 0.1 * scale.grad).detach(), rtol=1e-4, atol=1e-5)


def test_learning_rate_is_that_of_the_step():
    denoiser, step = make_step("epsilon", rate={0: 0.0, 1: 0.1}.get)
    before = denoiser.scale.detach().clone()
    update(step, 0, batch())
    assert torch.equal(denoiser.scale, before)
    update(step, 1, batch())
    assert not torch.equal(denoiser.scale, before)


def test_average_has_a_constant_decay():
    denoiser, step = make_step("epsilon")
    step.ema = AveragedModel(denoiser, multi_avg_fn=get_ema_multi_avg_fn(0.9))
    update(step, 0, batch())
    expected = denoiser.scale.detach().clone()
    for number in (1, 2):
        update(step, number, batch())
        expected = 0.9 * expected + 0.1 * denoiser.scale.detach()
    torch.testing.assert_close(step.ema.module.scale.detach(), expected)


def test_update_names_the_optimiser_and_touches_nothing_itself():
    denoiser, step = make_step("epsilon")
    before = denoiser.scale.detach().clone()
    asked = next(step(4, batch()))
    assert asked.optimiser == "denoiser"
    assert asked.losses == {"loss": asked.loss}
    assert denoiser.scale.grad is None
    assert torch.equal(denoiser.scale, before)


def test_loss_is_fp32_under_a_prediction_of_less():
    denoiser, step = make_step("epsilon")
    step.denoiser = lambda *given: denoiser(*given).bfloat16()
    assert next(step(0, batch())).loss.dtype == torch.float32
