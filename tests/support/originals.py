"""Shapes of the published checkpoints, generated from their published configurations, and their original arithmetic."""

from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import skimage
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor


@dataclass(frozen=True)
class Original:
    """A published training configuration, in the words of its own files."""

    ch_mult: tuple[int, ...]
    attn_resolutions: tuple[int, ...]
    z_channels: int
    embed_dim: int
    n_embed: int | None = None
    """None for KL."""
    features: int | None = None
    """Width of the image features behind VQGAN-LC's codebook."""
    subspaces: int = 1
    """Of PQGAN's quantiser, each with a codebook of its own."""
    ch: int = 128
    num_res_blocks: int = 2
    resolution: int = 256

    def reduced(self, K: int | None = 40) -> "Original":
        """The same with fewer channels and codewords; as many codewords where K is None, as its name stands for."""
        codebook = (K or self.n_embed) if self.n_embed else None
        return replace(self, ch=32, num_res_blocks=1, n_embed=codebook, features=self.features and 24)

    def attends(self, level: int) -> bool:
        return self.resolution // 2**level in self.attn_resolutions


ORIGINALS = {
    # CVL-Heidelberg/PQGAN, checkpoints/*.yaml
    "pqgan-f8": Original((1, 2, 2, 4), (32,), 256, 128, 512, subspaces=64),
    "pqgan-f16": Original((1, 1, 2, 2, 4), (16,), 256, 128, 128, subspaces=64),
    # taming-transformers, configs/imagenet_vqgan.yaml
    "vqgan-f16-1024": Original((1, 1, 2, 2, 4), (16,), 256, 256, 1024),
    "vqgan-f16-16384": Original((1, 1, 2, 2, 4), (16,), 256, 256, 16384),
    # latent-diffusion, models/first_stage_models/*/config.yaml
    "ldm-vq-f4": Original((1, 2, 4), (), 3, 3, 8192),
    "ldm-vq-f8": Original((1, 2, 2, 4), (32,), 4, 4, 16384),
    "ldm-vq-f16": Original((1, 1, 2, 2, 4), (16,), 8, 8, 16384),
    "ldm-kl-f4": Original((1, 2, 4), (), 3, 3),
    "ldm-kl-f8": Original((1, 2, 4, 4), (), 4, 4),
    "ldm-kl-f16": Original((1, 1, 2, 2, 4), (16,), 16, 16),
    # VQGAN-LC, vqgan_configs/vq-f*.yaml: at F=8 no level has 16x16
    "vqgan-lc-f16": Original((1, 1, 2, 2, 4), (16,), 256, 8, 100_000, 768),
    "vqgan-lc-f8": Original((1, 2, 2, 4), (16,), 256, 4, 100_000, 768),
}
"""Published name -> the configuration that its authors published."""


def shapes(original: Original) -> dict[str, tuple[int, ...]]:
    """Every tensor that the original model needs for a round trip, in the order of its modules."""
    found: dict[str, tuple[int, ...]] = {}

    def conv(name: str, inside: int, outside: int, side: int) -> None:
        found[f"{name}.weight"], found[f"{name}.bias"] = (outside, inside, side, side), (outside,)

    def norm(name: str, width: int) -> None:
        found[f"{name}.weight"] = found[f"{name}.bias"] = (width,)

    def block(name: str, inside: int, outside: int) -> None:
        norm(f"{name}.norm1", inside)
        conv(f"{name}.conv1", inside, outside, 3)
        norm(f"{name}.norm2", outside)
        conv(f"{name}.conv2", outside, outside, 3)
        if inside != outside:
            conv(f"{name}.nin_shortcut", inside, outside, 1)

    def attention(name: str, width: int) -> None:
        norm(f"{name}.norm", width)
        for part in ("q", "k", "v", "proj_out"):
            conv(f"{name}.{part}", width, width, 1)

    def middle(name: str, width: int) -> None:
        block(f"{name}.block_1", width, width)
        attention(f"{name}.attn_1", width)
        block(f"{name}.block_2", width, width)

    widths = [original.ch * multiplier for multiplier in original.ch_mult]
    last, double = len(widths) - 1, 1 if original.n_embed else 2
    conv("encoder.conv_in", 3, original.ch, 3)
    width = original.ch
    for level, wide in enumerate(widths):
        for number in range(original.num_res_blocks):
            block(f"encoder.down.{level}.block.{number}", width, wide)
            width = wide
            if original.attends(level):
                attention(f"encoder.down.{level}.attn.{number}", width)
        if level != last:
            conv(f"encoder.down.{level}.downsample.conv", width, width, 3)
    middle("encoder.mid", width)
    norm("encoder.norm_out", width)
    conv("encoder.conv_out", width, double * original.z_channels, 3)
    conv("decoder.conv_in", original.z_channels, width, 3)
    middle("decoder.mid", width)
    for level in reversed(range(len(widths))):
        for number in range(original.num_res_blocks + 1):
            block(f"decoder.up.{level}.block.{number}", width, widths[level])
            width = widths[level]
            if original.attends(level):
                attention(f"decoder.up.{level}.attn.{number}", width)
        if level:
            conv(f"decoder.up.{level}.upsample.conv", width, width, 3)
    norm("decoder.norm_out", width)
    conv("decoder.conv_out", width, 3, 3)
    conv("quant_conv", double * original.z_channels, double * original.embed_dim, 1)
    conv("post_quant_conv", original.embed_dim, original.z_channels, 1)
    if original.features:
        found["tok_embeddings.weight"] = (original.n_embed, original.features)
        found["codebook_projection.weight"] = (original.embed_dim, original.features)
        found["codebook_projection.bias"] = (original.embed_dim,)
    elif original.subspaces > 1:
        width = original.embed_dim // original.subspaces
        for number in range(original.subspaces):
            found[f"vq_split.embeddings.{number}.weight"] = (original.n_embed, width)
    elif original.n_embed:
        found["quantize.embedding.weight"] = (original.n_embed, original.embed_dim)
    return found


def seeded(original: Original, seed: int = 0) -> dict[str, Tensor]:
    """Random weights under which every layer matters: scales near one, biases that are not zero."""
    generator = torch.Generator().manual_seed(seed)
    state = {}
    for name, shape in shapes(original).items():
        value = torch.randn(shape, generator=generator)
        fan_in = value[0].numel() if len(shape) > 1 else 1
        scale = ".norm" in name and name.endswith("weight")
        embedding = "embedding" in name
        state[name] = 1 + 0.2 * value if scale else value * (0.5 if embedding else fan_in**-0.5 if fan_in > 1 else 0.1)
    return state


class Arithmetic:
    """The original's encoder and decoder on a state dict, after the papers and independent of diffusers."""

    def __init__(self, original: Original, state: dict[str, Tensor]):
        self.original, self.state = original, state

    def _conv(self, name: str, x: Tensor, **how) -> Tensor:
        return F.conv2d(x, self.state[f"{name}.weight"], self.state[f"{name}.bias"], **how)

    def _norm(self, name: str, x: Tensor) -> Tensor:
        return F.group_norm(x, 32, self.state[f"{name}.weight"], self.state[f"{name}.bias"], eps=1e-6)

    def _block(self, name: str, x: Tensor) -> Tensor:
        h = x
        for number in (1, 2):
            h = self._norm(f"{name}.norm{number}", h)
            h = self._conv(f"{name}.conv{number}", h * torch.sigmoid(h), padding=1)
        return h + (self._conv(f"{name}.nin_shortcut", x) if f"{name}.nin_shortcut.weight" in self.state else x)

    def _attention(self, name: str, x: Tensor) -> Tensor:
        h = self._norm(f"{name}.norm", x)
        q, k, v = (self._conv(f"{name}.{part}", h).flatten(2) for part in "qkv")  # (B, c, n)
        weights = torch.softmax(torch.einsum("bci,bcj->bij", q, k) * x.shape[1] ** -0.5, dim=2)
        return x + self._conv(f"{name}.proj_out", torch.einsum("bij,bcj->bci", weights, v).view_as(x))

    def _middle(self, name: str, x: Tensor) -> Tensor:
        x = self._attention(f"{name}.attn_1", self._block(f"{name}.block_1", x))
        return self._block(f"{name}.block_2", x)

    def _level(self, name: str, level: int, blocks: int, x: Tensor) -> Tensor:
        for number in range(blocks):
            x = self._block(f"{name}.{level}.block.{number}", x)
            if self.original.attends(level):
                x = self._attention(f"{name}.{level}.attn.{number}", x)
        return x

    def _out(self, name: str, x: Tensor) -> Tensor:
        x = self._norm(f"{name}.norm_out", x)
        return self._conv(f"{name}.conv_out", x * torch.sigmoid(x), padding=1)

    def encode(self, x: Tensor) -> Tensor:
        """Before quantisation; the posterior's mean for KL."""
        x = self._conv("encoder.conv_in", x, padding=1)
        for level in range(len(self.original.ch_mult)):
            if level:
                x = self._conv(f"encoder.down.{level - 1}.downsample.conv", F.pad(x, (0, 1, 0, 1)), stride=2)
            x = self._level("encoder.down", level, self.original.num_res_blocks, x)
        x = self._conv("quant_conv", self._out("encoder", self._middle("encoder.mid", x)))
        return x if self.original.n_embed else x.chunk(2, dim=1)[0]

    def codebooks(self) -> list[Tensor]:
        """(K, d/S) of each subspace."""
        if self.original.subspaces > 1:
            return [self.state[f"vq_split.embeddings.{number}.weight"] for number in range(self.original.subspaces)]
        return [self._codebook()]

    def _codebook(self) -> Tensor:
        if self.original.features:
            weight, bias = self.state["codebook_projection.weight"], self.state["codebook_projection.bias"]
            return self.state["tok_embeddings.weight"] @ weight.T + bias
        return self.state["quantize.embedding.weight"]

    def quantise(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """Nearest codewords (B, d, h, w) and their codes (B, S, h, w), channels cut into contiguous chunks in order."""
        found, codes = [], []
        for part, book in zip(z.chunk(self.original.subspaces, dim=1), self.codebooks(), strict=True):
            distances = (part.unsqueeze(1) - book[None, :, :, None, None]).square().sum(2)  # (B, K, h, w)
            codes.append(distances.argmin(1))  # (B, h, w)
            found.append(book[codes[-1]].permute(0, 3, 1, 2))
        return torch.cat(found, dim=1), torch.stack(codes, dim=1)

    def decode(self, z: Tensor) -> Tensor:
        x = self._middle("decoder.mid", self._conv("decoder.conv_in", self._conv("post_quant_conv", z), padding=1))
        for level in reversed(range(len(self.original.ch_mult))):
            x = self._level("decoder.up", level, self.original.num_res_blocks + 1, x)
            if level:
                x = F.interpolate(x, scale_factor=2, mode="nearest")
                x = self._conv(f"decoder.up.{level}.upsample.conv", x, padding=1)
        return self._out("decoder", x)


@pytest.fixture(scope="session")
def originals() -> SimpleNamespace:
    """What this file knows of the original models."""
    return SimpleNamespace(configurations=ORIGINALS, shapes=shapes, seeded=seeded, Arithmetic=Arithmetic)


@pytest.fixture(scope="session")
def photos() -> Tensor:
    """Real photographs (4, 3, 256, 256) in [-1, 1], from scikit-image's wheel."""
    folder = Path(skimage.__file__).parent / "data"
    images = []
    for name in ("astronaut.png", "coffee.png", "chelsea.png", "rocket.jpg"):
        image = Image.open(folder / name).convert("RGB")
        side = min(image.size)
        left, top = (image.width - side) // 2, (image.height - side) // 2
        image = image.crop((left, top, left + side, top + side)).resize((256, 256), Image.Resampling.BICUBIC)
        images.append(torch.from_numpy(np.array(image)))
    return torch.stack(images).permute(0, 3, 1, 2) / 127.5 - 1
