"""What PQModel returns."""

from dataclasses import dataclass

from diffusers.models.autoencoders.vae import IdentityDistribution
from diffusers.utils import BaseOutput
from torch import Tensor


@dataclass
class PQEncoderOutput(BaseOutput):
    """Result of `PQModel.encode`, under both names that pipelines and training scripts look for."""

    latents: Tensor
    """(B, d, h, w) z_q."""

    @property
    def latent_dist(self) -> IdentityDistribution:
        """The distribution of one value: what it samples and its mode are z_q."""
        return IdentityDistribution(self.latents)


@dataclass
class PQOutput(BaseOutput):
    """Result of a forward pass."""

    sample: Tensor
    """(B, 3, H, W) reconstruction in [-1, 1]."""
    loss: Tensor | None = None
    """Scalar: that of the quantiser. Never None, but offloading makes an output anew from a dict of its fields, which
    the library allows where all others have a default."""
    codes: Tensor | None = None
    """(B, S, h, w) int64; never None."""
