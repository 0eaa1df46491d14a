"""What diffusers' clients ask of an autoencoder besides encode and decode: the switches of its AutoencoderKL.

docs/dropin.md says what holds for quantised latents, and what cannot.
"""

from collections.abc import Callable
from numbers import Integral, Real
from typing import ClassVar, Self

import torch
from diffusers.configuration_utils import ConfigMixin
from diffusers.models.attention import AttentionMixin
from diffusers.models.attention_processor import (
    CROSS_ATTENTION_PROCESSORS,
    Attention,
    AttnProcessor,
    FusedAttnProcessor2_0,
)
from diffusers.models.autoencoders.vae import AutoencoderMixin
from diffusers.models.modeling_utils import ModelMixin
from torch import Tensor

from .tiling import in_tiles

TILE = 512
"""Side of a tile, pixels."""
OVERLAP = 0.25
"""Of neighbouring tiles, of their side."""
HALF = 0.5
"""Larger overlaps would take a third tile along."""


class DropIn(ModelMixin, AttentionMixin, AutoencoderMixin, ConfigMixin):
    """Base class of an autoencoder with an `encoder`, a `decoder` and a `quantiser`.

    Codebooks and linear path stay in float32 whatever the model is cast to: their rounding moves codes.

    Attributes:
        use_slicing: whether a batch is encoded and decoded image by image.
        use_tiling: whether images larger than a tile are encoded and decoded in tiles.
        tile_sample_min_size: side of a tile, pixels; the largest multiple of F below it is taken.
        tile_overlap_factor: of neighbouring tiles, of their side.
    """

    _supports_gradient_checkpointing = True
    _keep_in_fp32_modules: ClassVar[list[str]] = ["quantiser", "linear"]
    _no_split_modules: ClassVar[list[str]] = ["ResnetBlock2D", "Attention", "LinearPath", "Refinement"]
    # all that has weights: nothing but these modules' own forward passes may be needed to have them on a device
    _group_offload_block_modules: ClassVar[list[str]] = [
        *("value_range", "encoder", "quant_conv", "quantiser", "post_quant_conv", "decoder", "linear", "refinement")
    ]

    use_slicing = False
    use_tiling = False
    tile_sample_min_size = TILE
    tile_overlap_factor = OVERLAP
    _unfused = None

    @property
    def factor(self) -> int:
        """Downsampling factor F."""
        raise NotImplementedError

    def enable_tiling(self, tile_sample_min_size: int | None = None, tile_overlap_factor: float | None = None) -> None:
        """Encode and decode images larger than a tile in tiles.

        Args:
            tile_sample_min_size: see above; as it was where None.
            tile_overlap_factor: see above; as it was where None.

        Raises:
            ValueError: no whole number of pixels, a tile without a position of latents, or another overlap than from 0
                to HALF.
        """
        side = self.tile_sample_min_size if tile_sample_min_size is None else tile_sample_min_size
        overlap = self.tile_overlap_factor if tile_overlap_factor is None else tile_overlap_factor
        if isinstance(side, bool) or not isinstance(side, Integral) or side < self.factor:
            raise ValueError(f"PQModel: got tiles of {side!r} pixels; expected F={self.factor} or more, a whole number")
        if isinstance(overlap, bool) or not isinstance(overlap, Real) or not 0 <= overlap <= HALF:
            raise ValueError(f"PQModel: got tiles that overlap by {overlap!r} of their side; expected 0 to {HALF}")
        self.tile_sample_min_size, self.tile_overlap_factor = side, overlap
        super().enable_tiling()

    def _in_parts(self, network: Callable[[Tensor], Tensor], x: Tensor, taken: int, made: int) -> Tensor:
        """`network(x)`, image by image and tile by tile where that is switched on.

        Args:
            network: images to latents, or latents to images.
            x: (B, C, H, W).
            taken: values of x per position and side of the latents: F of images, 1 of latents.
            made: the same of what the network makes.
        """
        cells = self.tile_sample_min_size // self.factor
        if self.use_tiling and max(x.shape[2:]) > cells * taken:
            overlap, whole = int(cells * self.tile_overlap_factor), network

            def network(x: Tensor) -> Tensor:
                return in_tiles(whole, x, cells=cells, overlap=overlap, taken=taken, made=made)

        if self.use_slicing and len(x) > 1:
            return torch.cat([network(image) for image in x.split(1)])
        return network(x)

    def set_default_attn_processor(self) -> None:
        """Attention by diffusers' default implementation, as AutoencoderKL does it.

        Raises:
            ValueError: a layer has another processor than diffusers knows a default for, such as a fused one.
        """
        processors = self.attn_processors.values()
        if strange := [one for one in processors if type(one) not in CROSS_ATTENTION_PROCESSORS]:
            expected = ", ".join(cls.__name__ for cls in CROSS_ATTENTION_PROCESSORS[:2])
            raise ValueError(
                f"PQModel: got attention by {type(strange[0]).__name__}; expected {expected} or the like; "
                "call unfuse_qkv_projections or set_attn_processor"
            )
        self.set_attn_processor(AttnProcessor())

    def fuse_qkv_projections(self) -> None:
        """One matrix product in place of three in each attention layer; a second call changes no weights."""
        if self._unfused is None:
            self._unfused = self.attn_processors
            for module in self.modules():
                if isinstance(module, Attention):
                    module.fuse_projections(fuse=True)
        self.set_attn_processor(FusedAttnProcessor2_0())

    def unfuse_qkv_projections(self) -> None:
        """Attention as it was before `fuse_qkv_projections`; nothing if it was not called."""
        if self._unfused is not None:
            self.set_attn_processor(self._unfused)
            self._unfused = None
            for module in self.modules():
                if isinstance(module, Attention) and module.fused_projections:
                    del module.to_qkv  # or it would be saved
                    module.fused_projections = False

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        # what `to`, `half` and `bfloat16` go through
        exact = set()
        for name in self._keep_in_fp32_modules:
            module = getattr(self, name, None)
            if module is not None:
                exact |= {id(tensor) for tensor in [*module.parameters(), *module.buffers()]}
                exact |= {id(parameter.grad) for parameter in module.parameters() if parameter.grad is not None}

        def but_exact(tensor: Tensor) -> Tensor:
            moved = fn(tensor)
            if id(tensor) in exact and moved.dtype != tensor.dtype and moved.dtype.itemsize < torch.float32.itemsize:
                return tensor.to(moved.device, torch.float32)
            return moved

        return super()._apply(but_exact, recurse)
