from types import SimpleNamespace

import pytest
import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from pqgan.data.batches import Batch
from pqgan.diffusion.schedule import noise_schedule
from pqgan.diffusion.step import DenoisingStep, Draws, target
from pqgan.errors import NumericalError, SettingsError
from pqgan.randomness import generator_at

BETAS = torch.linspace(0.00085**0.5, 0.012**0.5, 1000, dtype=torch.float64) ** 2
ALPHAS = (1 - BETAS).cumprod(0)


def fabric(rank: int = 0, world: int = 1):
    return SimpleNamespace(
        device=torch.device("cpu"), global_rank=rank, world_size=world, backward=lambda loss: loss.backward()
    )


class Linear(nn.Module):
    """The smallest denoiser that uses all it is given."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.tensor([0.3, -0.2, 0.1]))

    def forward(self, noisy, timesteps, condition):
        return self.scale[0] * noisy + self.scale[1] * timesteps.view(-1, 1, 1, 1) / 1000 + self.scale[2] * condition


def make_step(kind: str, encode=lambda images: images[:, :2], rate=lambda number: 0.1, **options):
    denoiser = Linear()
    step = DenoisingStep(
        fabric(),
        denoiser,
        torch.optim.SGD(denoiser.parameters(), lr=123.0),
        noise_schedule(0.00085, 0.012, kind),
        encode,
        lambda number, batch: torch.full((len(batch.images), 1, 1, 1), 0.5),
        rate=rate,
        draws=Draws(fabric(), seed=3),
        **options,
    )
    return denoiser, step


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
    loss = step(number, images)["loss"]

    latents = images.images[:, :2].double()
    noise = torch.randn(4, 2, 6, 6, generator=generator_at(3, number, "noise")).double()
    timesteps = torch.randint(1000, (4,), generator=generator_at(3, number, "timesteps"))
    alpha = ALPHAS[timesteps].view(-1, 1, 1, 1)
    noisy = alpha.sqrt() * latents + (1 - alpha).sqrt() * noise
    wanted = noise if kind == "epsilon" else alpha.sqrt() * noise - (1 - alpha).sqrt() * latents
    prediction = scale[0] * noisy + scale[1] * timesteps.view(-1, 1, 1, 1) / 1000 + scale[2] * 0.5
    expected = (prediction - wanted).square().mean()
    expected.backward()
    torch.testing.assert_close(loss.double(), expected.detach(), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(denoiser.scale.double(), (scale - 0.1 * scale.grad).detach(), rtol=1e-4, atol=1e-5)


def test_learning_rate_is_that_of_the_step():
    denoiser, step = make_step("epsilon", rate={0: 0.0, 1: 0.1}.get)
    before = denoiser.scale.detach().clone()
    step(0, batch())
    assert torch.equal(denoiser.scale, before)
    step(1, batch())
    assert not torch.equal(denoiser.scale, before)


def test_average_has_a_constant_decay():
    denoiser, step = make_step("epsilon")
    step.ema = AveragedModel(denoiser, multi_avg_fn=get_ema_multi_avg_fn(0.9))
    step(0, batch())
    expected = denoiser.scale.detach().clone()
    for number in (1, 2):
        step(number, batch())
        expected = 0.9 * expected + 0.1 * denoiser.scale.detach()
    torch.testing.assert_close(step.ema.module.scale.detach(), expected)


def test_loss_that_is_not_finite_touches_nothing():
    denoiser, step = make_step("epsilon", encode=lambda images: images[:, :2] * float("nan"))
    before = denoiser.scale.detach().clone()
    with pytest.raises(NumericalError, match=r"step 5: .*loss=nan"):
        step(4, batch())
    assert torch.equal(denoiser.scale, before)
    assert denoiser.scale.grad is None


def test_draws_do_not_depend_on_the_number_of_devices():
    whole, halves = Draws(fabric(), 0), [Draws(fabric(rank, 2), 0) for rank in range(2)]
    for one, two in (
        (whole.normal(3, "noise", (4, 2, 3)), [half.normal(3, "noise", (2, 2, 3)) for half in halves]),
        (whole.uniform(3, "captions", 4), [half.uniform(3, "captions", 2) for half in halves]),
        (whole.integers(3, "timesteps", 4, 1000), [half.integers(3, "timesteps", 2, 1000) for half in halves]),
    ):
        assert torch.equal(one, torch.cat(two))


def test_draws_cover_all_timesteps_and_differ_between_steps():
    draws = Draws(fabric(), 0)
    timesteps = draws.integers(0, "timesteps", 20_000, 1000)
    assert timesteps.unique().numel() == 1000
    assert not torch.equal(draws.normal(0, "noise", (8,)), draws.normal(1, "noise", (8,)))
