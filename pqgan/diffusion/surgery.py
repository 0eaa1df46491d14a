"""Stable Diffusion's U-Net for latents of another width (section 3.2, appendix A.2, readings 18 and 20)."""

from math import sqrt
from typing import Literal

import torch
from diffusers import UNet2DConditionModel
from torch import nn

NEW_LAYERS = ("conv_in", "conv_out")


@torch.no_grad()
def widen(
    unet: UNet2DConditionModel, d: int, how: Literal["tile_variance", "tile"] = "tile_variance"
) -> UNet2DConditionModel:
    """Give a U-Net d latent channels in and out; every other weight is kept as it is.

    New channel i copies channel i modulo C of the C there were. Tiling the input alone multiplies the variance of
    conv_in's response to unit noise by d/C; `tile_variance` divides it out again.

    Args:
        unet: changed in place, its configuration too.
        d: latent channels.
        how: whether conv_in's weights are scaled by sqrt(C/d).

    Returns:
        The same U-Net.
    """
    channels_in, channels_out = unet.config.in_channels, unet.config.out_channels
    old_in, old_out = unet.conv_in, unet.conv_out
    new_in = _like(old_in, d, old_in.out_channels)
    new_out = _like(old_out, old_out.in_channels, d)
    scale = sqrt(channels_in / d) if how == "tile_variance" else 1.0
    new_in.weight.copy_(scale * old_in.weight[:, torch.arange(d) % channels_in])  # (C0, d, 3, 3)
    new_in.bias.copy_(old_in.bias)
    rows = torch.arange(d) % channels_out
    new_out.weight.copy_(old_out.weight[rows])  # (d, C0, 3, 3)
    new_out.bias.copy_(old_out.bias[rows])
    unet.conv_in, unet.conv_out = new_in, new_out
    unet.register_to_config(in_channels=d, out_channels=d)
    return unet


def _like(conv: nn.Conv2d, channels_in: int, channels_out: int) -> nn.Conv2d:
    # skip_init: the weights are copied in, and drawing them would move the global generator
    return nn.utils.skip_init(
        nn.Conv2d,
        channels_in,
        channels_out,
        conv.kernel_size,
        padding=conv.padding,
        device=conv.weight.device,
        dtype=conv.weight.dtype,
    )


def freeze_all_but_new(unet: UNet2DConditionModel) -> None:
    """Stage 1: only conv_in and conv_out take gradients."""
    unet.requires_grad_(False)
    for name in NEW_LAYERS:
        unet.get_submodule(name).requires_grad_(True)
