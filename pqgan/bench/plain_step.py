"""The plain VQGAN update, as common code does it: the yardstick of `pqgan bench train`, and of the tests.

The same mathematics as TokenizerStep's, without any of its care: fp32, eager; each optimiser runs the whole autoencoder
and the perceptual loss again; the adaptive weight goes back through the perceptual network and the discriminator
once for itself, before the backward pass does so again; the quantiser visits one subspace after the other and
holds all of its distances.
"""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

from pqgan.quantise.base import Quantised
from pqgan.quantise.product import ProductQuantiser
from pqgan.tokenizer.losses import adaptive_weight, hinge_discriminator, hinge_generator
from pqgan.tokenizer.step import Generator


class LoopedQuantiser(nn.Module):
    """A vector quantiser for each subspace, with the codebooks of a ProductQuantiser.

    Args:
        quantiser: to take d, S, K, beta and codewords from.
    """

    def __init__(self, quantiser: ProductQuantiser):
        super().__init__()
        self.beta, self.beta_on = quantiser.beta, quantiser.beta_on
        self.embeddings = nn.ModuleList(
            nn.Embedding.from_pretrained(codebook.clone(), freeze=False) for codebook in quantiser.codebooks.detach()
        )

    def forward(self, z_e: Tensor) -> Quantised:
        """Quantise z_e (B, d, h, w)."""
        found = [
            self._quantise(z.permute(0, 2, 3, 1), embedding)
            for z, embedding in zip(z_e.chunk(len(self.embeddings), dim=1), self.embeddings, strict=True)
        ]
        z_q = torch.cat([words.permute(0, 3, 1, 2) for words, _ in found], dim=1)  # (B, d, h, w)
        codes = torch.stack([codes for _, codes in found], dim=1)  # (B, S, h, w)
        on_codebook, on_latents = (self.beta, 1.0) if self.beta_on == "codebook" else (1.0, self.beta)
        loss = on_codebook * (z_q - z_e.detach()).pow(2).mean() + on_latents * (z_q.detach() - z_e).pow(2).mean()
        return Quantised(z_e + (z_q - z_e).detach(), codes, loss)

    @staticmethod
    def _quantise(z: Tensor, embedding: nn.Embedding) -> tuple[Tensor, Tensor]:
        """Words (B, h, w, c) and codes (B, h, w) of one subspace's sub-vectors (B, h, w, c)."""
        flat, words = z.reshape(-1, z.shape[-1]), embedding.weight  # (N, c), (K, c)
        distances = flat.pow(2).sum(dim=1, keepdim=True) + words.pow(2).sum(dim=1) - 2 * flat @ words.T  # (N, K)
        codes = distances.argmin(dim=1).view(z.shape[:-1])
        return embedding(codes), codes


class ReferenceStep:
    """Generator update, then discriminator update, each from a forward pass of its own.

    Args:
        generator: tokenizer; one with a ProductQuantiser gets a LoopedQuantiser in its place.
        discriminator: PatchGAN.
        perceptual: LPIPS distance a pair, frozen.
        learning_rate: of both.
        betas: of both.
        perceptual_weight: factor of the perceptual loss.
        discriminator_weight: factor on the adaptive weight.
    """

    def __init__(
        self,
        generator: Generator,
        discriminator: nn.Module,
        perceptual: nn.Module,
        *,
        learning_rate: float,
        betas: tuple[float, float],
        perceptual_weight: float,
        discriminator_weight: float,
    ):
        if isinstance(getattr(generator.model, "quantiser", None), ProductQuantiser):
            generator.model.quantiser = LoopedQuantiser(generator.model.quantiser)
        self.generator, self.discriminator, self.perceptual = generator, discriminator, perceptual
        self.perceptual_weight, self.discriminator_weight = perceptual_weight, discriminator_weight
        self.optimisers = [
            torch.optim.Adam(network.parameters(), lr=learning_rate, betas=betas)
            for network in (generator, discriminator)
        ]

    def __call__(self, images: Tensor, draw: Callable[[tuple[int, ...]], Tensor]) -> Mapping[str, Tensor]:
        """Update both networks with images (B, 3, H, W); the losses before it."""
        for_generator, for_discriminator = self.optimisers
        losses = self.generator_losses(images, draw)
        for_generator.zero_grad()
        losses["total"].backward()
        for_generator.step()
        loss = self.discriminator_loss(images, draw)
        for_discriminator.zero_grad()
        loss.backward()
        for_discriminator.step()
        return {name: value.detach() for name, value in losses.items()} | {"discriminator": loss.detach()}

    def _reconstruct(self, images: Tensor, draw: Callable) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Reconstruction (B, 3, H, W), regulariser, L1 and perceptual loss."""
        shape = self.generator.noise_shape(images)
        sample, regulariser, _ = self.generator(images, draw(shape) if shape else None)
        return sample, regulariser, (images - sample).abs().mean(), self.perceptual(sample, images).mean()

    def generator_losses(self, images: Tensor, draw: Callable) -> dict[str, Tensor]:
        """Every loss, and `total`, whose gradient the generator follows."""
        # the trainer that common code uses turns gradients off for what the other optimiser owns
        self.discriminator.requires_grad_(False)
        sample, regulariser, l1, perceptual = self._reconstruct(images, draw)
        reconstruction = l1 + self.perceptual_weight * perceptual
        fooled = hinge_generator(self.discriminator(sample))
        weight = self._adaptive_weight(reconstruction, fooled)
        self.discriminator.requires_grad_(True)
        return {
            "l1": l1,
            "perceptual": perceptual,
            "regulariser": regulariser,
            "adversarial": fooled,
            "adaptive_weight": weight,
            "total": reconstruction + regulariser + self.discriminator_weight * weight * fooled,
        }

    def _adaptive_weight(self, reconstruction: Tensor, fooled: Tensor) -> Tensor:
        layer = self.generator.last_layer.weight
        (by_reconstruction,) = torch.autograd.grad(reconstruction, layer, retain_graph=True)
        (by_adversary,) = torch.autograd.grad(fooled, layer, retain_graph=True)
        return adaptive_weight(by_reconstruction, by_adversary)

    def discriminator_loss(self, images: Tensor, draw: Callable) -> Tensor:
        """Hinge loss of a fresh reconstruction."""
        with torch.no_grad():
            sample, *_ = self._reconstruct(images, draw)
        return hinge_discriminator(self.discriminator(images), self.discriminator(sample))
