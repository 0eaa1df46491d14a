"""A small residual network that corrects a linear reconstruction; no part of the paper.

A trunk whose decoder sees latents alone first has to learn the linear map that is there already. This network sees its
result, so that a few hundred updates show.
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import pixel_shuffle, pixel_unshuffle
from torch.utils.checkpoint import checkpoint

DOWN = 4
"""It computes at a quarter of the resolution, on 4 x 4 pixels at a time."""


class Refinement(nn.Module):
    """What is missing of a linear reconstruction.

    Args:
        F: side of the patches that latents stand for, pixels; DOWN divides it.
        d: latent channels.
        channels: of every layer.
        blocks: residual blocks of two convolutions.
    """

    gradient_checkpointing = False
    """Under this name diffusers looks for it, and sets it."""
    _gradient_checkpointing_func = staticmethod(checkpoint)

    def __init__(self, F: int, d: int, channels: int, blocks: int):
        super().__init__()
        # a second linear map of the latents: the reconstruction does not tell where patches end
        self.from_latents = nn.ConvTranspose2d(d, 3, F, stride=F)
        self.conv_in = nn.Conv2d(6 * DOWN**2, channels, 3, padding=1)
        self.blocks = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(channels, channels, 3, padding=1), nn.SiLU(), nn.Conv2d(channels, channels, 3, padding=1)
            )
            for _ in range(blocks)
        )
        self.conv_out = nn.Conv2d(channels, 3 * DOWN**2, 3, padding=1)

    def forward(self, y: Tensor, z: Tensor) -> Tensor:
        """Correction (B, 3, H, W) of reconstructions (B, 3, H, W) in [-1, 1] of latents (B, d, H/F, W/F)."""
        seen = torch.cat([y, self.from_latents(z)], dim=1)  # (B, 6, H, W)
        h = self.conv_in(pixel_unshuffle(seen, DOWN))  # (B, channels, H/4, W/4)
        for block in self.blocks:
            if self.gradient_checkpointing and torch.is_grad_enabled():
                h = h + self._gradient_checkpointing_func(block, h)
            else:
                h = h + block(h)
        return pixel_shuffle(self.conv_out(h), DOWN)  # (B, 3, H, W)
