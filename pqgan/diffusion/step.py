"""One denoising update, the same for the adapted Stable Diffusion and the model from scratch."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from diffusers import DDIMScheduler, UNet2DConditionModel
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim.swa_utils import AveragedModel

from pqgan.engine.loop import finite
from pqgan.errors import SettingsError
from pqgan.randomness import generator_at

if TYPE_CHECKING:
    from lightning_fabric import Fabric


class Denoiser(nn.Module):
    """A U-Net and what turns a condition into its cross-attention context.

    Args:
        unet: the U-Net.
        embedding: condition -> (B, tokens, context); None where the condition is that already.
    """

    def __init__(self, unet: UNet2DConditionModel, embedding: nn.Module | None = None):
        super().__init__()
        self.unet = unet
        self.embedding = nn.Identity() if embedding is None else embedding

    def forward(self, noisy: Tensor, timesteps: Tensor, condition: Tensor) -> Tensor:
        """Prediction (B, d, h, w) for noisy latents (B, d, h, w) at timesteps (B,)."""
        return self.unet(noisy, timesteps, self.embedding(condition), return_dict=False)[0]


class Draws:
    """Random numbers of a step as a function of (seed, step, stream).

    They are drawn for the whole batch and this process keeps its rows, so that the number of devices changes nothing.
    """

    def __init__(self, fabric: "Fabric", seed: int):
        self.device, self.rank, self.world = fabric.device, fabric.global_rank, fabric.world_size
        self.seed = seed

    def _rows(self, draw: Callable, number: int, stream: str, shape: tuple[int, ...]) -> Tensor:
        whole = (shape[0] * self.world, *shape[1:])
        generator = generator_at(self.seed, number, stream, self.device)
        return draw(whole, generator=generator, device=self.device)[self.rank * shape[0] :][: shape[0]]

    def normal(self, number: int, stream: str, shape: tuple[int, ...]) -> Tensor:
        return self._rows(torch.randn, number, stream, tuple(shape))

    def uniform(self, number: int, stream: str, rows: int) -> Tensor:
        """(rows,) in [0, 1)."""
        return self._rows(torch.rand, number, stream, (rows,))

    def integers(self, number: int, stream: str, rows: int, high: int) -> Tensor:
        """(rows,) int64 in [0, high)."""
        return self._rows(lambda shape, **options: torch.randint(high, shape, **options), number, stream, (rows,))


def target(scheduler: DDIMScheduler, latents: Tensor, noise: Tensor, timesteps: Tensor) -> Tensor:
    """What the U-Net predicts (reading 19): the noise (eq. 2), or v = sqrt(a) noise - sqrt(1 - a) latents.

    Raises:
        SettingsError: a backbone that predicts something else.
    """
    kind = scheduler.config.prediction_type
    if kind == "epsilon":
        return noise
    if kind == "v_prediction":
        return scheduler.get_velocity(latents, noise, timesteps)
    raise SettingsError(f"scheduler: prediction_type is {kind!r}; allowed: epsilon, v_prediction; use another backbone")


class DenoisingStep:
    """Noise latents at random times and regress the prediction on its target, in fp32 (eq. 2).

    Args:
        fabric: launched Fabric that set up denoiser and optimiser.
        denoiser: Denoiser, set up.
        optimiser: set up.
        scheduler: holds the noise schedule and the prediction type.
        encode: images (B, 3, H, W) in [-1, 1] -> scaled latents (B, d, h, w).
        condition: (step, batch) -> what the denoiser is conditioned on.
        rate: step -> learning rate.
        draws: of the run.
        ema: moving average of the denoiser, or None.
    """

    def __init__(
        self,
        fabric: "Fabric",
        denoiser: nn.Module,
        optimiser: torch.optim.Optimizer,
        scheduler: DDIMScheduler,
        encode: Callable[[Tensor], Tensor],
        condition: Callable[[int, object], Tensor],
        *,
        rate: Callable[[int], float],
        draws: Draws,
        ema: AveragedModel | None = None,
    ):
        self.fabric, self.denoiser, self.optimiser, self.scheduler = fabric, denoiser, optimiser, scheduler
        self.encode, self.condition = encode, condition
        self.rate, self.draws, self.ema = rate, draws, ema

    def __call__(self, number: int, batch) -> dict[str, Tensor]:
        latents = self.encode(batch.images.to(self.fabric.device))  # (B, d, h, w)
        noise = self.draws.normal(number, "noise", latents.shape)  # (B, d, h, w)
        steps = self.scheduler.config.num_train_timesteps
        timesteps = self.draws.integers(number, "timesteps", len(latents), steps)  # (B,)
        noisy = self.scheduler.add_noise(latents, noise, timesteps)
        prediction = self.denoiser(noisy, timesteps, self.condition(number, batch))
        loss = F.mse_loss(prediction.float(), target(self.scheduler, latents, noise, timesteps).float())
        finite({"loss": loss}, number)
        for group in self.optimiser.param_groups:
            group["lr"] = self.rate(number)
        self.optimiser.zero_grad(set_to_none=True)
        self.fabric.backward(loss)
        self.optimiser.step()
        if self.ema is not None:
            self.ema.update_parameters(self.denoiser)
        return {"loss": loss}
