"""One update of a tokenizer: a generator step, then, once the discriminator plays, a discriminator step."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from pqgan.data.batches import Batch
from pqgan.engine.loop import Update
from pqgan.engine.step_random import Draws
from pqgan.engine.timed_parts import timed_part

from .kinds import BY_CLASS
from .losses import adaptive_weight, hinge_discriminator, hinge_generator

if TYPE_CHECKING:
    from lightning_fabric import Fabric

    from .codebooks import Revival


class Generator(nn.Module):
    """A tokenizer of any kind as (reconstruction, regulariser): what the step trains."""

    def __init__(self, model: nn.Module, config: Any):
        super().__init__()
        self.model, self.config = model, config
        self.kind = BY_CLASS[type(model).__name__]
        # autograd cannot stop at the last layer of a compiled network, whose backward pass is one piece
        self._entering = None
        self.last_layer.register_forward_pre_hook(self._note_entering)

    @property
    def last_layer(self) -> nn.Conv2d:
        return self.kind.last_layer(self.model)

    def _note_entering(self, layer: nn.Module, inputs: tuple[Tensor]) -> None:
        if self.training and torch.is_grad_enabled():
            self._entering = inputs[0].detach()

    def noise_shape(self, images: Tensor) -> tuple[int, ...] | None:
        """Of the noise that `forward` wants for images (B, 3, H, W): (B, d, h, w); None for those that want none."""
        return self.kind.noise_shape(self.model, images)

    def forward(self, images: Tensor, noise: Tensor | None) -> tuple[Tensor, Tensor, Tensor | None]:
        """Reconstruct.

        Args:
            images: (B, 3, H, W) in [-1, 1].
            noise: N(0, 1) of `noise_shape`.

        Returns:
            reconstruction (B, 3, H, W), scalar regulariser, and what entered the last layer (B, C, H, W), detached.
        """
        sample, regulariser = self.kind.reconstruct_in_training(self.model, self.config, images, noise)
        entering, self._entering = self._entering, None
        return sample, regulariser, entering

    def at_last_layer(self, entering: Tensor, gradients: list[Tensor]) -> Tensor:
        """Gradients at the reconstruction, carried on to the decoder's last weights.

        Args:
            entering: (B, C, H, W) what entered the last layer.
            gradients: n of shape (B, 3, H, W).

        Returns:
            (n, 3, C, 3, 3); (n, 48, C, 3, 3) of a refinement
        """
        layer = self.last_layer
        gradients = [self.kind.behind_last_layer(self.model, gradient) for gradient in gradients]
        side_by_side = torch.cat(gradients, dim=1)  # (B, n 3, H, W)
        shape = (side_by_side.shape[1], *layer.weight.shape[1:])
        found = nn.grad.conv2d_weight(entering.to(side_by_side), shape, side_by_side, padding=layer.padding)
        return found.unflatten(0, (len(gradients), -1))


class TokenizerStep:
    """VQGAN's update: L1 + LPIPS + adaptively weighted hinge PatchGAN + the regulariser (eq. 1).

    Each loss is differentiated once, at the reconstruction: the gradient it has there gives both its share of the
    adaptive weight, through the last layer alone, and its part of the backward pass through the generator.

    Args:
        fabric: launched Fabric that set up networks and optimisers.
        generator: Generator, set up.
        discriminator: PatchGAN, set up.
        perceptual: LPIPS distance a pair, frozen.
        perceptual_weight: factor of the perceptual loss.
        discriminator_weight: factor on the adaptive weight.
        discriminator_start: first update, counted from 1, at which the discriminator plays.
        seed: of the run.
        revival: of codewords that nobody chooses; None where they may stay.
    """

    def __init__(
        self,
        fabric: "Fabric",
        generator: nn.Module,
        discriminator: nn.Module,
        perceptual: nn.Module,
        *,
        perceptual_weight: float,
        discriminator_weight: float,
        discriminator_start: int,
        seed: int,
        revival: "Revival | None" = None,
    ):
        self.fabric, self.draws = fabric, Draws(fabric, seed)
        self.generator, self.discriminator = generator, discriminator
        self.perceptual, self.perceptual_weight = perceptual, perceptual_weight
        self.discriminator_weight, self.discriminator_start = discriminator_weight, discriminator_start
        self.revival = revival

    def __call__(self, number: int, batch: Batch) -> Iterator[Update]:
        adversarial = number + 1 >= self.discriminator_start
        sample, regulariser, entering = self._reconstruct(number, batch.images)
        update = self._generator_update(batch.images, sample, regulariser, entering, adversarial)
        if self.revival:
            dead = self.revival.count()
            yield update._replace(losses={**update.losses, "revived": dead.sum()})
            self.revival.replace(dead, number)
        else:
            yield update
        if adversarial:
            yield self._discriminator_update(batch.images, sample.detach())

    @timed_part("generator")
    def _reconstruct(self, number: int, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        shape = self.generator.module.noise_shape(images)
        return self.generator(images, self.draws.normal(number, "posterior", shape) if shape else None)

    def _generator_update(
        self, images: Tensor, sample: Tensor, regulariser: Tensor, entering: Tensor, adversarial: bool
    ) -> Update:
        at = sample.detach().requires_grad_()  # (B, 3, H, W)
        reconstruction, gradient, losses = self._reconstruction_loss(at, images)
        losses |= {"regulariser": regulariser}
        total = reconstruction + regulariser
        if adversarial:
            fooled, by_adversary = self._adversarial_loss(at)
            weight = self._adaptive_weight(entering, gradient, by_adversary)
            gradient = gradient + self.discriminator_weight * weight * by_adversary
            total = total + self.discriminator_weight * weight * fooled
            losses |= {"adversarial": fooled, "adaptive_weight": weight}
        # its gradient is that of the total: the losses' own part is already known at the reconstruction
        surrogate = (sample * gradient).sum() + regulariser
        return Update("generator", surrogate, {**losses, "total": total.detach()})

    @timed_part("perceptual loss")
    def _reconstruction_loss(self, at: Tensor, images: Tensor) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
        """L1 and perceptual loss, weighted; their gradient (B, 3, H, W) at the reconstruction; each alone."""
        losses = {"l1": (images - at).abs().mean()}
        loss = losses["l1"]
        if self.perceptual_weight:
            with self.fabric.autocast():
                losses["perceptual"] = self.perceptual(at, images).float().mean()
            loss = loss + self.perceptual_weight * losses["perceptual"]
        (gradient,) = torch.autograd.grad(loss, at)
        return loss.detach(), gradient, {name: value.detach() for name, value in losses.items()}

    @timed_part("discriminator")
    def _adversarial_loss(self, at: Tensor) -> tuple[Tensor, Tensor]:
        """The generator's loss against the discriminator, and its gradient (B, 3, H, W) at the reconstruction."""
        # the bare module: only gradients that pass through it are needed, so processes have none of its own to exchange
        module = self.discriminator.module
        module.requires_grad_(False)
        with self.fabric.autocast():
            fooled = hinge_generator(module(at).float())
        (gradient,) = torch.autograd.grad(fooled, at)
        module.requires_grad_(True)
        return fooled.detach(), gradient

    @timed_part("adaptive weight")
    def _adaptive_weight(self, entering: Tensor, *gradients: Tensor) -> Tensor:
        """From the gradients (B, 3, H, W) of both losses at the reconstruction; the same on all devices."""
        found = self.generator.module.at_last_layer(entering, gradients)  # (2, 3, C, 3, 3)
        return adaptive_weight(*self.fabric.all_reduce(found, reduce_op="mean"))

    @timed_part("discriminator")
    def _discriminator_update(self, images: Tensor, sample: Tensor) -> Update:
        loss = hinge_discriminator(*self.discriminator(images, sample))
        return Update("discriminator", loss, {"discriminator": loss})
