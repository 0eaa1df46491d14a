"""VQGAN's losses, as functions: no loss owns a network."""

from torch import Tensor
from torch.nn import functional


def hinge_generator(fake: Tensor) -> Tensor:
    """Adversarial loss of the generator from the logits of reconstructions."""
    return -fake.mean()


def hinge_discriminator(real: Tensor, fake: Tensor) -> Tensor:
    """Hinge loss of the discriminator (taming-transformers: half the sum of both means)."""
    return 0.5 * (functional.relu(1 - real).mean() + functional.relu(1 + fake).mean())


def adaptive_weight(by_reconstruction: Tensor, by_adversary: Tensor) -> Tensor:
    """Ratio of two losses' gradient norms at the decoder's last layer (VQGAN, eq. 7), within [0, 1e4]."""
    return (by_reconstruction.norm() / (by_adversary.norm() + 1e-4)).clamp(0, 1e4)


def kl_to_standard_normal(mean: Tensor, logvar: Tensor) -> Tensor:
    """KL divergence to N(0, I), summed over a latent (B, d, h, w) and averaged over the batch."""
    return 0.5 * (mean.square() + logvar.exp() - 1 - logvar).sum(dim=(1, 2, 3)).mean()
