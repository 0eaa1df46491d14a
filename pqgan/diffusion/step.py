"""One denoising update, the same for the adapted Stable Diffusion and the model from scratch."""

from collections.abc import Callable, Iterator

import torch
from diffusers import DDIMScheduler, UNet2DConditionModel
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim.swa_utils import AveragedModel

from pqgan.data.batches import Batch
from pqgan.engine.loop import Update
from pqgan.engine.step_random import Draws
from pqgan.errors import SettingsError


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
        denoiser: Denoiser, set up by Fabric.
        optimiser: of the denoiser; the step sets its learning rate.
        scheduler: holds the noise schedule and the prediction type.
        encode: images (B, 3, H, W) in [-1, 1] -> scaled latents (B, d, h, w).
        condition: (step, batch) -> what the denoiser is conditioned on.
        rate: step -> learning rate.
        draws: of the run.
        ema: moving average of the denoiser, or None.
    """

    def __init__(
        self,
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
        self.denoiser, self.optimiser, self.scheduler = denoiser, optimiser, scheduler
        self.encode, self.condition = encode, condition
        self.rate, self.draws, self.ema = rate, draws, ema

    def __call__(self, number: int, batch: Batch) -> Iterator[Update]:
        latents = self.encode(batch.images)  # (B, d, h, w)
        noise = self.draws.normal(number, "noise", latents.shape)  # (B, d, h, w)
        steps = self.scheduler.config.num_train_timesteps
        timesteps = self.draws.integers(number, "timesteps", len(latents), steps)  # (B,)
        noisy = self.scheduler.add_noise(latents, noise, timesteps)
        prediction = self.denoiser(noisy, timesteps, self.condition(number, batch))
        loss = F.mse_loss(prediction.float(), target(self.scheduler, latents, noise, timesteps).float())
        for group in self.optimiser.param_groups:
            group["lr"] = self.rate(number)
        yield Update("denoiser", loss, {"loss": loss})
        if self.ema is not None:
            self.ema.update_parameters(self.denoiser.module)
