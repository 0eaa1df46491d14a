"""PQModel: an image autoencoder with product-quantised latents, usable wherever diffusers expects a VAE."""

from dataclasses import dataclass
from typing import Literal

import torch
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.autoencoders.vae import Decoder, DecoderOutput, Encoder
from diffusers.models.modeling_utils import ModelMixin
from diffusers.utils import BaseOutput
from torch import Tensor, nn

from pqgan.quantise.product import ProductQuantiser

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


@dataclass
class PQEncoderOutput(BaseOutput):
    """Result of `PQModel.encode`; the attribute has the name diffusers pipelines look for."""

    latents: Tensor
    """(B, d, h, w) z_q."""


@dataclass
class PQOutput(BaseOutput):
    """Result of a training forward pass."""

    sample: Tensor
    """(B, 3, H, W) reconstruction in [-1, 1]."""
    loss: Tensor
    """Scalar: codebook and commitment terms."""
    codes: Tensor
    """(B, S, h, w) int64."""


def trunk_blocks(levels: int) -> dict[str, tuple[str, ...]]:
    """Block types of diffusers' Encoder and Decoder: attention on the level of lowest resolution (reading 10)."""
    return {
        "down_block_types": ("DownEncoderBlock2D",) * (levels - 1) + ("AttnDownEncoderBlock2D",),
        "up_block_types": ("AttnUpDecoderBlock2D",) + ("UpDecoderBlock2D",) * (levels - 1),
    }


class PQModel(ModelMixin, ConfigMixin):
    """VQGAN's autoencoder with a product quantiser in the middle (section 3).

    Args:
        block_out_channels: channels of each level; L levels downsample by F = 2^(L-1).
        layers_per_block: residual blocks a level in the encoder; the decoder has one more.
        z_channels: channels between the trunk and the 1x1 projections to and from d.
        norm_num_groups: of every group norm.
        d: latent channels.
        S: subspaces; divides d.
        K: codewords per subspace.
        codebook_init: see ProductQuantiser; beta and beta_on too.
        normalisation: range the networks see; images that go in and come out are in [-1, 1] either way.
        scaling_factor: 1 / standard deviation of z_q over training images; pipelines multiply latents by it.
    """

    @register_to_config
    def __init__(
        self,
        block_out_channels: tuple[int, ...] = (128, 256, 256, 512),
        layers_per_block: int = 2,
        z_channels: int = 256,
        norm_num_groups: int = 32,
        d: int = 128,
        S: int = 64,
        K: int = 512,
        codebook_init: Literal["uniform", "normal"] = "uniform",
        beta: float = 0.25,
        beta_on: Literal["codebook", "commitment"] = "codebook",
        normalisation: Literal["minus_one_one", "imagenet"] = "minus_one_one",
        scaling_factor: float = 1.0,
        force_upcast: bool = False,
    ):
        super().__init__()
        blocks = trunk_blocks(len(block_out_channels))
        self.encoder = Encoder(
            in_channels=3,
            out_channels=z_channels,
            down_block_types=blocks["down_block_types"],
            block_out_channels=block_out_channels,
            layers_per_block=layers_per_block,
            norm_num_groups=norm_num_groups,
            double_z=False,
        )
        self.quant_conv = nn.Conv2d(z_channels, d, 1)
        self.quantiser = ProductQuantiser(d, S, K, codebook_init, beta, beta_on)
        self.post_quant_conv = nn.Conv2d(d, z_channels, 1)
        self.decoder = Decoder(
            in_channels=z_channels,
            out_channels=3,
            up_block_types=blocks["up_block_types"],
            block_out_channels=block_out_channels,
            layers_per_block=layers_per_block,
            norm_num_groups=norm_num_groups,
        )
        if normalisation == "imagenet":
            mean, std = torch.tensor(IMAGENET_MEAN), torch.tensor(IMAGENET_STD)
        else:
            mean, std = torch.full((3,), 0.5), torch.full((3,), 0.5)
        # [-1, 1] -> [0, 1] -> (x - mean) / std, as one affine map a channel
        self.register_buffer("input_scale", (0.5 / std).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("input_shift", ((0.5 - mean) / std).view(1, 3, 1, 1), persistent=False)

    @property
    def factor(self) -> int:
        """Downsampling factor F."""
        return 2 ** (len(self.config.block_out_channels) - 1)

    def encode_continuous(self, x: Tensor) -> Tensor:
        """z_e (B, d, H/F, W/F) of images (B, 3, H, W) in [-1, 1], before quantisation."""
        h = self.encoder(x * self.input_scale + self.input_shift)  # (B, z_channels, h, w)
        return self.quant_conv(h)  # (B, d, h, w)

    def encode(self, x: Tensor, return_dict: bool = True) -> PQEncoderOutput | tuple[Tensor]:
        """Quantised latents of images (B, 3, H, W) in [-1, 1]."""
        z_q = self.quantiser.decode(self.encode_to_codes(x)).to(x.dtype)
        return PQEncoderOutput(latents=z_q) if return_dict else (z_q,)

    def decode(
        self,
        z: Tensor,
        return_dict: bool = True,
        generator: torch.Generator | None = None,
        force_not_quantize: bool = False,
    ) -> DecoderOutput | tuple[Tensor]:
        """Images (B, 3, H, W) of latents (B, d, h, w).

        Latents are quantised first (reading 21): a no-op on z_q, and what brings a diffused sample onto the codebooks.

        Args:
            z: latents, not multiplied by scaling_factor.
            generator: unused; pipelines pass it.
            force_not_quantize: decode z as it is, as diffusers' VQModel names it.
        """
        if not force_not_quantize:
            z = self.quantiser.decode(self.quantiser.encode(z)).to(z.dtype)
        sample = self._decode_continuous(z)
        return DecoderOutput(sample=sample) if return_dict else (sample,)

    def _decode_continuous(self, z: Tensor) -> Tensor:
        h = self.decoder(self.post_quant_conv(z))  # (B, 3, H, W)
        return (h - self.input_shift) / self.input_scale

    def encode_to_codes(self, x: Tensor) -> Tensor:
        """Codes (B, S, h, w) int64 of images (B, 3, H, W) in [-1, 1]."""
        return self.quantiser.encode(self.encode_continuous(x))

    def decode_from_codes(self, codes: Tensor) -> Tensor:
        """Images (B, 3, H, W) of codes (B, S, h, w)."""
        return self._decode_continuous(self.quantiser.decode(codes).to(self.dtype))

    def forward(self, x: Tensor) -> PQOutput:
        """Reconstruct images (B, 3, H, W) in [-1, 1] with straight-through gradients."""
        quantised = self.quantiser(self.encode_continuous(x))
        return PQOutput(self._decode_continuous(quantised.z_q), quantised.loss, quantised.codes)
