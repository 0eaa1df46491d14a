"""One update of a tokenizer: a generator step, then, once the discriminator plays, a discriminator step."""

from typing import Any

import torch
from torch import Tensor, nn

from pqgan.engine.launch import gradients_besides_backward
from pqgan.engine.loop import finite
from pqgan.randomness import generator_at
from pqgan.settings import KLConfig

from .losses import adaptive_weight, hinge_discriminator, hinge_generator, kl_to_standard_normal


class Generator(nn.Module):
    """A tokenizer of any kind as (reconstruction, regulariser): what the step trains."""

    def __init__(self, model: nn.Module, config: Any):
        super().__init__()
        self.model = model
        self.kl_weight = config.kl_weight if isinstance(config, KLConfig) else None

    @property
    def last_layer(self) -> nn.Parameter:
        return self.model.decoder.conv_out.weight

    def forward(self, images: Tensor, noise: torch.Generator) -> tuple[Tensor, Tensor]:
        """Images (B, 3, H, W) -> reconstruction (B, 3, H, W), scalar regulariser."""
        name = type(self.model).__name__
        if name == "PQModel":
            output = self.model(images)
            return output.sample, output.loss
        if name == "VQModel":
            z_q, commitment, _ = self.model.quantize(self.model.encode(images).latents)
            return self.model.decode(z_q, force_not_quantize=True).sample, commitment
        posterior = self.model.encode(images).latent_dist
        epsilon = torch.randn(posterior.mean.shape, generator=noise).to(posterior.mean)
        sample = self.model.decode(posterior.mean + posterior.std * epsilon).sample
        # latent diffusion sums its reconstruction loss over values where ours is a mean: the KL is divided alike
        values = images[0].numel()
        return sample, self.kl_weight * kl_to_standard_normal(posterior.mean, posterior.logvar) / values


class TokenizerStep:
    """VQGAN's update: L1 + LPIPS + adaptively weighted hinge PatchGAN + the regulariser (eq. 1).

    Args:
        fabric: launched Fabric that set up networks and optimisers.
        generator: Generator, set up.
        discriminator: PatchGAN, set up.
        optimisers: (generator's, discriminator's), set up.
        perceptual: LPIPS distance a pair, frozen.
        perceptual_weight: factor of the perceptual loss.
        discriminator_weight: factor on the adaptive weight.
        discriminator_start: first update, counted from 1, at which the discriminator plays.
        seed: of the run.
    """

    def __init__(
        self,
        fabric,
        generator: nn.Module,
        discriminator: nn.Module,
        optimisers: tuple,
        perceptual: nn.Module,
        *,
        perceptual_weight: float,
        discriminator_weight: float,
        discriminator_start: int,
        seed: int,
    ):
        self.fabric = fabric
        self.generator, self.discriminator = generator, discriminator
        self.generator_optimiser, self.discriminator_optimiser = optimisers
        self.perceptual, self.perceptual_weight = perceptual, perceptual_weight
        self.discriminator_weight, self.discriminator_start = discriminator_weight, discriminator_start
        self.seed = seed

    def __call__(self, number: int, batch) -> dict[str, Tensor]:
        images = batch.images.to(self.fabric.device)  # (B, 3, H, W)
        adversarial = number + 1 >= self.discriminator_start
        losses, sample = self._generator_step(number, images, adversarial)
        if adversarial:
            losses |= self._discriminator_step(number, images, sample)
        return losses

    def _generator_step(self, number: int, images: Tensor, adversarial: bool) -> tuple[dict[str, Tensor], Tensor]:
        sample, regulariser = self.generator(images, generator_at(self.seed, number, "posterior"))
        losses = {"l1": (images - sample).abs().mean(), "regulariser": regulariser}
        reconstruction = losses["l1"]
        if self.perceptual_weight:
            losses["perceptual"] = self.perceptual(sample, images).mean()
            reconstruction = reconstruction + self.perceptual_weight * losses["perceptual"]
        total = reconstruction + regulariser
        if adversarial:
            # only gradients that pass through it are needed, so processes have none of its own to exchange
            self.discriminator.requires_grad_(False)
            with self.fabric.autocast():
                fooled = hinge_generator(self.discriminator.module(sample).float())
            with gradients_besides_backward():
                weight = adaptive_weight(reconstruction, fooled, self.generator.last_layer)
            total = total + self.discriminator_weight * weight * fooled
            losses |= {"adversarial": fooled, "adaptive_weight": weight}
            self.discriminator.requires_grad_(True)
        finite({**losses, "total": total}, number)
        self.generator_optimiser.zero_grad(set_to_none=True)
        self.fabric.backward(total)
        self.generator_optimiser.step()
        return {**losses, "total": total}, sample.detach()

    def _discriminator_step(self, number: int, images: Tensor, sample: Tensor) -> dict[str, Tensor]:
        loss = hinge_discriminator(*self.discriminator(images, sample))
        finite({"discriminator": loss}, number)
        self.discriminator_optimiser.zero_grad(set_to_none=True)
        self.fabric.backward(loss)
        self.discriminator_optimiser.step()
        return {"discriminator": loss}
