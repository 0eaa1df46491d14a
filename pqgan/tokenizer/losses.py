"""VQGAN's losses, as functions: no loss owns a network."""

import torch
from torch import Tensor
from torch.nn import functional


def hinge_generator(fake: Tensor) -> Tensor:
    """Adversarial loss of the generator from the logits of reconstructions."""
    return -fake.mean()


def hinge_discriminator(real: Tensor, fake: Tensor) -> Tensor:
    """Hinge loss of the discriminator (taming-transformers: half the sum of both means)."""
    return 0.5 * (functional.relu(1 - real).mean() + functional.relu(1 + fake).mean())


def adaptive_weight(reconstruction: Tensor, adversarial: Tensor, last_layer: Tensor) -> Tensor:
    """Ratio of the two losses' gradient norms at the decoder's last layer (VQGAN, eq. 7), within [0, 1e4]."""
    (by_reconstruction,) = torch.autograd.grad(reconstruction, last_layer, retain_graph=True)
    (by_adversary,) = torch.autograd.grad(adversarial, last_layer, retain_graph=True)
    return (by_reconstruction.norm() / (by_adversary.norm() + 1e-4)).clamp(0, 1e4).detach()


def kl_to_standard_normal(mean: Tensor, logvar: Tensor) -> Tensor:
    """KL divergence to N(0, I), summed over a latent (B, d, h, w) and averaged over the batch."""
    return 0.5 * (mean.square() + logvar.exp() - 1 - logvar).sum(dim=(1, 2, 3)).mean()
