"""PQModel: an image autoencoder with quantised latents, usable wherever diffusers expects a VAE."""

from dataclasses import dataclass
from typing import Any, Literal

import torch
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.autoencoders.vae import Decoder, DecoderOutput, Encoder
from diffusers.models.modeling_utils import ModelMixin
from diffusers.utils import BaseOutput
from torch import Tensor, nn

from pqgan.quantise.kinds import make_quantiser

from .hub_files import HubFiles
from .linear_path import LinearPath
from .refinement import Refinement

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
FARTHEST = 2.0
"""From 0, that a value of an image in [-1, 1] is: resampling goes a fifth beyond its ends. Levels of 0 to 255 go beyond
this, and so do images that ImageNet's mean and deviation normalised."""


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
    """Scalar: that of the quantiser."""
    codes: Tensor
    """(B, S, h, w) int64."""


def trunk_blocks(levels: int) -> dict[str, tuple[str, ...]]:
    """Block types of diffusers' Encoder and Decoder: attention on the level of lowest resolution (reading 10)."""
    return {
        "down_block_types": ("DownEncoderBlock2D",) * (levels - 1) + ("AttnDownEncoderBlock2D",),
        "up_block_types": ("AttnUpDecoderBlock2D",) + ("UpDecoderBlock2D",) * (levels - 1),
    }


class PQModel(HubFiles, ModelMixin, ConfigMixin):
    """VQGAN's autoencoder with a product quantiser in the middle (section 3.1), or with another one.

    Not in the paper: a linear path of patches around the trunk, which adds to the latents and to the reconstruction, or
    in the trunk's place.

    Args:
        block_out_channels: channels of each level; L levels downsample by F = 2^(L-1). None or zeros: no trunk, and
            the linear path alone.
        layers_per_block: residual blocks a level in the encoder; the decoder has one more.
        z_channels: channels between the trunk and the 1x1 projections to and from d.
        norm_num_groups: of every group norm.
        d: latent channels.
        S: subspaces of the product quantiser; divides d.
        K: codewords per subspace.
        codebook_init: see ProductQuantiser; beta and beta_on too. Of every quantiser that has codebooks.
        normalisation: range the networks see; images that go in and come out are in [-1, 1] either way.
        geometry: how images reached the size that it was trained at (reading 4); changes nothing that is computed.
        scaling_factor: 1 / standard deviation of z_q over training images; pipelines multiply latents by it.
        patch: side F of the linear path's patches; 0: no linear path, as in the paper.
        refine_channels: of the network that corrects a linear reconstruction; 0: there is none.
        refine_blocks: its residual blocks.
        quantiser_config: kind and options (pqgan.quantise.kinds) of another quantiser than the product quantiser, for
            example {"kind": "rq", "D": 4, "K": 64}. S and K of the config are then its codes per position, and the
            number of values of each.

    Raises:
        ValueError: neither a trunk nor a linear path, a linear path of another F than the trunk's, a refinement
            without one, or no such quantiser.
    """

    @register_to_config
    def __init__(
        self,
        block_out_channels: tuple[int, ...] | None = (128, 256, 256, 512),
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
        geometry: Literal["crop", "squash", "unknown"] = "unknown",
        scaling_factor: float = 1.0,
        force_upcast: bool = False,
        patch: int = 0,
        refine_channels: int = 0,
        refine_blocks: int = 4,
        quantiser_config: dict[str, Any] | None = None,
    ):
        super().__init__()
        has_trunk = any(block_out_channels or ())
        if not has_trunk:
            block_out_channels = None
            # pipelines count the levels of a VAE's config, which F has without a trunk too
            self.register_to_config(block_out_channels=(0,) * patch.bit_length())
        trunk = 2 ** (len(block_out_channels) - 1) if has_trunk else patch
        if not trunk or patch not in (0, trunk) or (refine_channels and not patch):
            beside = f"block_out_channels={block_out_channels}, refine_channels={refine_channels}"
            raise ValueError(f"PQModel: patch={patch} beside {beside}; expected one F, and a patch for a refinement")
        if has_trunk:
            blocks = trunk_blocks(len(block_out_channels))
            shared = {
                "block_out_channels": block_out_channels,
                "layers_per_block": layers_per_block,
                "norm_num_groups": norm_num_groups,
            }
            self.encoder = Encoder(3, z_channels, blocks["down_block_types"], double_z=False, **shared)
            self.quant_conv = nn.Conv2d(z_channels, d, 1)
        options = quantiser_config or {"kind": "pq", "S": S, "K": K}
        self.quantiser = make_quantiser(d, options, init=codebook_init, beta=beta, beta_on=beta_on)
        self.register_to_config(S=self.quantiser.S, K=self.quantiser.K)
        if has_trunk:
            self.post_quant_conv = nn.Conv2d(d, z_channels, 1)
            self.decoder = Decoder(z_channels, 3, blocks["up_block_types"], **shared)
        # both after the trunk, whose seeded weights are then the same with and without it
        self.linear = LinearPath(patch, d) if patch else None
        self.refinement = Refinement(patch, d, refine_channels, refine_blocks) if refine_channels else None
        if normalisation == "imagenet":
            mean, std = torch.tensor(IMAGENET_MEAN), torch.tensor(IMAGENET_STD)
        else:
            mean, std = torch.full((3,), 0.5), torch.full((3,), 0.5)
        # [-1, 1] -> [0, 1] -> (x - mean) / std, as one affine map a channel
        self.register_buffer("input_scale", (0.5 / std).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("input_shift", ((0.5 - mean) / std).view(1, 3, 1, 1), persistent=False)

    @property
    def has_trunk(self) -> bool:
        return any(self.config.block_out_channels)

    @property
    def shortcut(self) -> Literal["none", "linear", "linear_alone"]:
        """As `Trunk.shortcut` of the settings."""
        if self.linear is None:
            return "none"
        return "linear" if self.has_trunk else "linear_alone"

    @property
    def factor(self) -> int:
        """Downsampling factor F."""
        return 2 ** (len(self.config.block_out_channels) - 1) if self.has_trunk else self.config.patch

    def encode_continuous(self, x: Tensor) -> Tensor:
        """z_e (B, d, H/F, W/F) of images (B, 3, H, W) in [-1, 1], before quantisation.

        Raises:
            ValueError: no float type, another shape, or sides that F does not divide. Values are not looked at, so that
                training waits for no device, and a compiler takes it whole.
        """
        self._check_form(x)
        if not self.has_trunk:
            return self.linear.encode(x)  # (B, d, h, w)
        h = self.encoder(x * self.input_scale + self.input_shift)  # (B, z_channels, h, w)
        z_e = self.quant_conv(h)  # (B, d, h, w)
        return z_e if self.linear is None else z_e + self.linear.encode(x)

    def encode(self, x: Tensor, return_dict: bool = True) -> PQEncoderOutput | tuple[Tensor]:
        """Quantised latents of images (B, 3, H, W) in [-1, 1].

        Raises:
            ValueError: as from encode_to_codes.
        """
        z_q = self.quantiser.quantise(self._checked_latents(x)).to(x.dtype)
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

        Raises:
            ValueError: no float type, another shape, or a latent that is quantised and not finite.
        """
        d = self.config.d
        if z.dim() != 4 or z.shape[1] != d or not z.is_floating_point():
            raise ValueError(f"PQModel: got latents {tuple(z.shape)} {z.dtype}; expected floats (B, {d}, h, w)")
        if not force_not_quantize:
            z = self.quantiser.nearest(z).to(z.dtype)
        sample = self._decode_continuous(z)
        return DecoderOutput(sample=sample) if return_dict else (sample,)

    def _decode_continuous(self, z: Tensor) -> Tensor:
        if self.linear is None:
            return (self._from_trunk(z) - self.input_shift) / self.input_scale
        y = self.linear.decode(z)  # (B, 3, H, W)
        if self.has_trunk:
            y = y + self._from_trunk(z) / self.input_scale  # a correction, which the shift would move
        return y if self.refinement is None else y + self.refinement(y, z)

    def _from_trunk(self, z: Tensor) -> Tensor:
        return self.decoder(self.post_quant_conv(z))  # (B, 3, H, W)

    def encode_to_codes(self, x: Tensor) -> Tensor:
        """Codes (B, S, h, w) int64 of images (B, 3, H, W) in [-1, 1].

        Raises:
            ValueError: no float type, another shape or range, sides that F does not divide, or latents that are not
                finite.
        """
        return self.quantiser.encode(self._checked_latents(x))

    def _checked_latents(self, x: Tensor) -> Tensor:
        self._check_form(x)
        if x.numel():
            least, most = torch.stack(x.detach().aminmax()).tolist()
            if not -FARTHEST <= least <= most <= FARTHEST:  # so NaN too
                raise ValueError(
                    f"PQModel: got {x.dtype} images from {least:g} to {most:g}; expected floats in [-1, 1]; "
                    "of levels from 0 to 255 take images / 127.5 - 1"
                )
        return self.encode_continuous(x)

    def _check_form(self, x: Tensor) -> None:
        if not x.is_floating_point():
            raise ValueError(
                f"PQModel: got images {x.dtype}; expected floats in [-1, 1]; "
                "of levels from 0 to 255 take images / 127.5 - 1"
            )
        F = self.factor
        if x.dim() != 4 or x.shape[1] != 3 or x.shape[2] % F or x.shape[3] % F or 0 in x.shape[2:]:
            raise ValueError(
                f"PQModel: got images {tuple(x.shape)}; expected (B, 3, H, W) with H and W multiples of F={F}"
                f"{self._nearest_sizes(x)}"
            )

    def _nearest_sizes(self, x: Tensor) -> str:
        """Sizes to crop and to pad to, for the message."""
        if x.dim() != 4 or x.shape[1] != 3:
            return ""
        F, (H, W) = self.factor, x.shape[2:]
        smaller = (H // F * F, W // F * F)
        larger = (max(F, -(-H // F * F)), max(F, -(-W // F * F)))
        allowed = [f"{height} x {width}" for height, width in (smaller, larger) if height and width]
        return f", for example {' or '.join(dict.fromkeys(allowed))}"

    def decode_from_codes(self, codes: Tensor) -> Tensor:
        """Images (B, 3, H, W) of codes (B, S, h, w), of any integer type.

        Raises:
            ValueError: no integers, another shape, or a code outside [0, K): names its subspace and place.
        """
        if codes.dim() != 4:
            raise ValueError(f"PQModel: got codes {tuple(codes.shape)}; expected (B, {self.config.S}, h, w)")
        return self._decode_continuous(self.quantiser.decode(codes).to(self.dtype))

    def forward(self, x: Tensor) -> PQOutput:
        """Reconstruct images (B, 3, H, W) in [-1, 1] with straight-through gradients.

        Raises:
            ValueError: as from encode_continuous.
        """
        quantised = self.quantiser(self.encode_continuous(x))
        return PQOutput(self._decode_continuous(quantised.z_q), quantised.loss, quantised.codes)
