"""What every kind of tokenizer is: how it is built, what it computes in training, and its interface when frozen."""

from typing import Any, Literal

import torch
from torch import Tensor, nn

from pqgan.records import FeatureNetwork
from pqgan.settings import Reading
from pqgan.settings.trunk import Trunk


class Tokenizer:
    """What evaluation and diffusion see of a tokenizer.

    Attributes:
        model: the diffusers module; fits as `vae` into StableDiffusionPipeline.
        kind: as in params.yaml, or tiny.
        factor: downsampling factor F.
        channels: latent channels d.
        source: where the weights come from, and sha256 of their files; None where nobody asked.
        published: what the catalogue of published models says of it, its name as `published`; empty for any other.
    """

    kind: str
    network: str
    """As the `network` of its settings; of what is not trained here its kind."""
    model_class: str
    """Of diffusers, or ours."""

    def __init__(self, model):
        self.model = model.eval().requires_grad_(False)
        self.source: FeatureNetwork | None = None
        self.published: dict[str, Any] = {}

    @staticmethod
    def build(config: Any, trunk: Trunk | None, reading: Reading) -> nn.Module:
        """The diffusers model of these settings, with weights drawn from the global generator."""
        raise NotImplementedError

    @staticmethod
    def noise_shape(model: nn.Module, images: Tensor) -> tuple[int, ...] | None:
        """Of the noise that `reconstruct_in_training` wants for images (B, 3, H, W); None if it wants none."""
        return None

    @staticmethod
    def reconstruct_in_training(
        model: nn.Module, config: Any, images: Tensor, noise: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """The generator's part of an update.

        Args:
            model: of `build`, trained.
            config: its settings; None when fine-tuning, where the model is a PQModel.
            images: (B, 3, H, W) in [-1, 1].
            noise: N(0, 1) of `noise_shape`.

        Returns:
            reconstruction (B, 3, H, W), scalar regulariser
        """
        raise NotImplementedError

    @staticmethod
    def last_layer(model: nn.Module) -> nn.Conv2d:
        """Of the decoder: where the adaptive weight compares gradients."""
        return model.decoder.conv_out

    @staticmethod
    def behind_last_layer(model: nn.Module, gradient: Tensor) -> Tensor:
        """A gradient (B, 3, H, W) at the reconstruction as one at what leaves the last layer."""
        return gradient

    @property
    def factor(self) -> int:
        """F."""
        return 2 ** (len(self.model.config.block_out_channels) - 1)

    @property
    def channels(self) -> int:
        """d."""
        return self.model.config.latent_channels

    @property
    def quantiser(self) -> str:
        """Kind of the quantiser if it is another than a product quantiser or its case S=1, else empty."""
        return ""

    @property
    def scaling_factor(self) -> float:
        return self.model.config.scaling_factor

    def to(self, device: torch.device | str) -> "Tokenizer":
        self.model.to(device)
        return self

    def encode(self, images: Tensor, latent: Literal["z_q", "z_e"] = "z_q") -> Tensor:
        """Latents (B, d, h, w), not multiplied by scaling_factor, of images (B, 3, H, W) in [-1, 1]."""
        raise NotImplementedError

    def decode(self, latents: Tensor) -> Tensor:
        """Images (B, 3, H, W) of latents (B, d, h, w), not multiplied by scaling_factor."""
        return self.model.decode(latents, return_dict=False)[0]

    def decode_unquantised(self, latents: Tensor) -> Tensor:
        """The decoder's networks alone: images (B, 3, H, W) of latents (B, d, h, w) as they are."""
        return self.decode(latents)

    def codes(self, images: Tensor) -> Tensor | None:
        """Codes (B, S, h, w) int64, or None where the latents are continuous."""
        return None

    def decode_codes(self, codes: Tensor) -> Tensor:
        """Images (B, 3, H, W) of codes (B, S, h, w).

        Raises:
            ValueError: no integers, another shape, or a code outside [0, K): names its subspace and place.
        """
        raise NotImplementedError(f"latents of kind {self.kind} are continuous: they have no codes")

    def round_trip(self, images: Tensor) -> tuple[Tensor, Tensor | None]:
        """Images (B, 3, H, W) in [-1, 1] encoded and decoded once, and what is stored in between.

        That is codes (B, S, h, w) int64, or bytes (B, d, h, w) int64 where latents are stored as such, or None.
        """
        return self.decode(self.encode(images)).clamp(-1, 1), None

    def reconstruct(self, images: Tensor) -> Tensor:
        """Images (B, 3, H, W) in [-1, 1] after one round trip."""
        return self.round_trip(images)[0]

    def subject(self) -> dict[str, Any]:
        """Kind, F, d, codebook, parameter count and what is known of a published model, for metrics.json."""
        parameters = sum(parameter.numel() for parameter in self.model.parameters())
        about = {"kind": self.kind, "F": self.factor, "d": self.channels, **self._codebook(), "parameters": parameters}
        return about | self.published

    def _codebook(self) -> dict[str, Any]:
        """S codes per position and K values of each, where there are codes."""
        return {}


def trunk_options(trunk: Trunk) -> dict[str, Any]:
    """A trunk as diffusers' own autoencoders are made with it."""
    from ..model import trunk_blocks  # it brings diffusers along

    channels = level_channels(trunk)
    return {
        **trunk_blocks(len(channels)),
        "block_out_channels": channels,
        "layers_per_block": trunk.res_blocks,
        "norm_num_groups": trunk.norm_groups,
    }


def level_channels(trunk: Trunk) -> tuple[int, ...]:
    """Channels of each level, that of full resolution first."""
    return tuple(trunk.channels * multiplier for multiplier in trunk.multipliers)
