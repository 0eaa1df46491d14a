"""PQModel: an image autoencoder with quantised latents, usable wherever diffusers expects a VAE."""

from numbers import Integral
from typing import Any, Literal, get_args

import torch
from diffusers.configuration_utils import register_to_config
from diffusers.models.autoencoders.vae import Decoder, DecoderOutput, Encoder
from diffusers.utils.accelerate_utils import apply_forward_hook
from torch import Tensor, nn

from pqgan.quantise.base import one_of
from pqgan.quantise.kinds import make_quantiser

from .drop_in import DropIn
from .hub_files import HubFiles
from .image_checks import check_form, check_values
from .linear_path import LinearPath
from .outputs import PQEncoderOutput, PQOutput
from .refinement import Refinement
from .value_range import Normalisation, ValueRange

Geometry = Literal["crop", "squash", "unknown"]


def check_channels(levels: Any) -> None:
    """Refuse what are no channels of a trunk's levels, nor None or zeros for none.

    Raises:
        ValueError: says what they are.
    """
    listed = isinstance(levels, list | tuple) and all(
        isinstance(channels, Integral) and not isinstance(channels, bool) for channels in levels
    )
    if levels is not None and not (listed and (not any(levels) or min(levels) > 0)):
        expected = "a list of whole numbers from 1, or zeros or None for no trunk"
        raise ValueError(f"PQModel: block_out_channels is {levels!r}; expected {expected}")


def trunk_blocks(levels: int) -> dict[str, tuple[str, ...]]:
    """Block types of diffusers' Encoder and Decoder: attention on the level of lowest resolution (reading 10)."""
    return {
        "down_block_types": ("DownEncoderBlock2D",) * (levels - 1) + ("AttnDownEncoderBlock2D",),
        "up_block_types": ("AttnUpDecoderBlock2D",) + ("UpDecoderBlock2D",) * (levels - 1),
    }


class PQModel(HubFiles, DropIn):
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
        latent_channels: d, under the name that pipelines know; None: as d says.

    Raises:
        ValueError: neither a trunk nor a linear path, a linear path of another F than the trunk's, a refinement
            without one, no such channels, normalisation, geometry or quantiser, or other latent channels than d.
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
        normalisation: Normalisation = "minus_one_one",
        geometry: Geometry = "unknown",
        scaling_factor: float = 1.0,
        force_upcast: bool = False,
        patch: int = 0,
        refine_channels: int = 0,
        refine_blocks: int = 4,
        quantiser_config: dict[str, Any] | None = None,
        latent_channels: int | None = None,
    ):
        super().__init__()
        check_channels(block_out_channels)
        one_of("PQModel", "geometry", geometry, get_args(Geometry))
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
        if latent_channels not in (None, d):
            raise ValueError(f"PQModel: latent_channels={latent_channels}; expected d={d}")
        self.register_to_config(S=self.quantiser.S, K=self.quantiser.K, latent_channels=d)
        if has_trunk:
            self.post_quant_conv = nn.Conv2d(d, z_channels, 1)
            self.decoder = Decoder(z_channels, 3, blocks["up_block_types"], **shared)
        # both after the trunk, whose seeded weights are then the same with and without it
        self.linear = LinearPath(patch, d) if patch else None
        self.refinement = Refinement(patch, d, refine_channels, refine_blocks) if refine_channels else None
        self.value_range = ValueRange(normalisation)

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

    @apply_forward_hook
    def encode_continuous(self, x: Tensor) -> Tensor:
        """z_e (B, d, H/F, W/F) of images (B, 3, H, W) in [-1, 1], before quantisation.

        Raises:
            ValueError: no float type, another shape, or sides that F does not divide. Values are not looked at, so that
                training waits for no device, and a compiler takes it whole.
        """
        return self._latents(x)

    def _latents(self, x: Tensor) -> Tensor:
        check_form(x, self.factor)
        return self._in_parts(self._latents_of_part, x, self.factor, 1)

    def _latents_of_part(self, x: Tensor) -> Tensor:
        if not self.has_trunk:
            return self.linear(x, way="encode")  # (B, d, h, w)
        h = self.encoder(self.value_range(x, way="enter"))  # (B, z_channels, h, w)
        z_e = self.quant_conv(h)  # (B, d, h, w)
        return z_e if self.linear is None else z_e + self.linear(x, way="encode").to(z_e.device)

    @apply_forward_hook
    def encode(self, x: Tensor, return_dict: bool = True) -> PQEncoderOutput | tuple[Tensor]:
        """Quantised latents of images (B, 3, H, W) in [-1, 1], with a straight-through gradient, in the images' type.

        In half precision z_q is rounded, and may not be found again: codes say exactly what it was.

        Raises:
            ValueError: as from encode_to_codes.
        """
        z_q = self._straight_through(self._checked_latents(x), "quantise").to(x.dtype)
        return PQEncoderOutput(latents=z_q) if return_dict else (z_q,)

    def _checked_latents(self, x: Tensor) -> Tensor:
        check_form(x, self.factor)
        check_values(x)
        return self._latents(x)

    def _straight_through(self, z: Tensor, way: Literal["quantise", "nearest"]) -> Tensor:
        """What a quantiser makes of latents (B, d, h, w), in fp32; its gradient is theirs."""
        z_q = self.quantiser(z.float(), way=way).detach()
        # nothing is added, so that words stay what they are to the bit
        return z_q + (z - z.detach()) if z.requires_grad and torch.is_grad_enabled() else z_q

    @apply_forward_hook
    def encode_to_codes(self, x: Tensor) -> Tensor:
        """Codes (B, S, h, w) int64 of images (B, 3, H, W) in [-1, 1].

        Raises:
            ValueError: no float type, another shape or range, sides that F does not divide, or latents that are not
                finite. Compiled code does not look at values.
        """
        return self.quantiser(self._checked_latents(x).float(), way="encode")

    @apply_forward_hook
    def decode(
        self,
        z: Tensor,
        return_dict: bool = True,
        generator: torch.Generator | None = None,
        force_not_quantize: bool = False,
    ) -> DecoderOutput | tuple[Tensor]:
        """Images (B, 3, H, W) of latents (B, d, h, w), in their type.

        Latents are quantised first (reading 21): a no-op on z_q, and what brings a diffused sample onto the codebooks.
        Their gradient passes straight through.

        Args:
            z: latents, not multiplied by scaling_factor.
            generator: unused; pipelines pass it.
            force_not_quantize: decode z as it is, as diffusers' VQModel names it.

        Raises:
            ValueError: no float type, another shape, or a latent that is quantised and not finite. Compiled code does
                not look at values.
        """
        d = self.config.d
        if z.dim() != 4 or z.shape[1] != d or not z.is_floating_point():
            raise ValueError(f"PQModel: got latents {tuple(z.shape)} {z.dtype}; expected floats (B, {d}, h, w)")
        z_q = z if force_not_quantize else self._straight_through(z, "nearest")
        sample = self._images(z_q, z.dtype)
        return DecoderOutput(sample=sample) if return_dict else (sample,)

    @apply_forward_hook
    def decode_from_codes(self, codes: Tensor) -> Tensor:
        """Images (B, 3, H, W) of codes (B, S, h, w), of any integer type, in the model's type.

        Raises:
            ValueError: no integers, another shape, or a code outside [0, K): names its subspace and place.
        """
        if codes.dim() != 4:
            raise ValueError(f"PQModel: got codes {tuple(codes.shape)}; expected (B, {self.config.S}, h, w)")
        return self._images(self.quantiser(codes, way="decode"), self.dtype)

    def _images(self, z: Tensor, dtype: torch.dtype) -> Tensor:
        """Images (B, 3, H, W) in a type, that of the trunk's weights, of latents (B, d, h, w) in that or in fp32."""

        def of_part(z: Tensor) -> Tensor:
            return self._images_of_part(z, dtype)

        return self._in_parts(of_part, z, 1, self.factor).to(dtype)

    def _images_of_part(self, z: Tensor, dtype: torch.dtype) -> Tensor:
        if self.linear is None:
            return self._from_trunk(z, dtype, "leave")
        y = self.linear(z, way="decode")  # (B, 3, H, W)
        if self.has_trunk:
            y = y + self._from_trunk(z, dtype, "leave_difference").to(y.device)
        return y if self.refinement is None else y + self.refinement(y.to(dtype), z.to(dtype)).to(y.device)

    def _from_trunk(self, z: Tensor, dtype: torch.dtype, way: Literal["leave", "leave_difference"]) -> Tensor:
        return self.value_range(self.decoder(self.post_quant_conv(z.to(dtype))), way=way)  # (B, 3, H, W)

    def forward(
        self,
        sample: Tensor,
        sample_posterior: bool = False,
        return_dict: bool = True,
        generator: torch.Generator | None = None,
    ) -> PQOutput | tuple[Tensor, Tensor, Tensor]:
        """Reconstruct images (B, 3, H, W) in [-1, 1] with straight-through gradients.

        Args:
            sample: images.
            sample_posterior: unused, as the distribution of latents has one value; generator too.
            return_dict: whether the result is a PQOutput, or a tuple of what it holds.

        Raises:
            ValueError: as from encode_continuous.
        """
        z_e = self._latents(sample)
        # under autocast z_q is in fp32 whatever z_e is in
        quantised = self.quantiser(z_e if sample.dtype == torch.float32 else z_e.float())
        output = PQOutput(self._images(quantised.z_q, sample.dtype), quantised.loss, quantised.codes)
        return output if return_dict else output.to_tuple()
