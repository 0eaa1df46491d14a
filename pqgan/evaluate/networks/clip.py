"""The feature network of CMMD: the image tower of CLIP, published or small with seeded random weights."""

from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.nn import functional

from pqgan.randomness import seeded
from pqgan.settings.evaluation import Features, HubClip, RandomClip
from pqgan.weights import locate
from pqgan.weights.random_weights import random_source

from .pixels import to_uint8

PREFIXES = ("vision_model.", "visual_projection.")
"""Of the image tower in the published file, which holds both towers."""


class Clip(nn.Module):
    """The image tower of CLIP, as CMMD looks through it (reading 14).

    Args:
        features: published tower, or a small one of the same class with seeded random weights.

    Raises:
        ResourceError, DataError: from pqgan.weights.locate.
    """

    def __init__(self, features: Features):
        super().__init__()
        from transformers.image_utils import OPENAI_CLIP_MEAN, OPENAI_CLIP_STD

        config = features.clip
        if config.source == "random":
            network = _random(config, features.seed)
            shape = f"{config.layers} layers, width {config.hidden}, patch {config.patch}, {config.image_size} px"
            self.label = f"CLIP ViT ({shape}), random weights (seed {features.seed})"
            """For tables: network, input size, weights and seed."""
            self.source = random_source(features.seed)
            """Where the weights are from."""
        else:
            network = _published(config)
            self.label = f"{config.model} ({network.config.image_size} px), pretrained"
            self.source = locate.source(published(config))
        self.network = network.requires_grad_(False).eval()
        self.side = network.config.image_size
        self.dimension = network.config.projection_dim
        self.register_buffer("mean", torch.tensor(OPENAI_CLIP_MEAN).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor(OPENAI_CLIP_STD).view(1, 3, 1, 1))

    @staticmethod
    def resize(antialias: bool) -> str:
        """How images reach the network, for the tables."""
        return f"8-bit images, bicubic {'with' if antialias else 'without'} antialias"

    def train(self, mode: bool = True) -> "Clip":
        """Stays in evaluation mode."""
        return super().train(False)

    def forward(self, images: Tensor, antialias: bool) -> Tensor:
        """Embeddings (B, dimension) of unit length of images (B, 3, H, W) in [-1, 1].

        Args:
            antialias: whether the bicubic resize to its input size is antialiased.
        """
        pixels = to_uint8(images).float() / 255
        size = (self.side, self.side)
        pixels = functional.interpolate(pixels, size, mode="bicubic", align_corners=False, antialias=antialias)
        embeddings = self.network((pixels - self.mean) / self.std).image_embeds
        return functional.normalize(embeddings.float(), dim=1)


def published(config: HubClip) -> locate.Weights:
    """The file that the settings name; its content is pinned, whatever the revision."""
    entry = locate.CATALOGUE["clip"]
    return replace(entry, origin=replace(entry.origin, repository=config.model, revision=config.revision))


def _tower(shape: RandomClip) -> nn.Module:
    from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

    return CLIPVisionModelWithProjection(
        CLIPVisionConfig(
            hidden_size=shape.hidden,
            intermediate_size=4 * shape.hidden,
            num_hidden_layers=shape.layers,
            num_attention_heads=shape.heads,
            patch_size=shape.patch,
            image_size=shape.image_size,
            projection_dim=shape.projection,
        )
    )


def _random(config: RandomClip, seed: int) -> nn.Module:
    with seeded(seed, "clip"):
        return _tower(config)


def _published(config: HubClip) -> nn.Module:
    state = locate.read(published(config))
    # checkpoints of older versions of transformers hold the positions' numbers 0, 1, 2, ... too
    tower = {key: state[key] for key in state if key.startswith(PREFIXES) and not key.endswith(".position_ids")}
    with torch.device("meta"):
        network = _tower(config.shape)
    locate.load(network, tower, published(config))
    # no part of the state, so it is still on the meta device
    embeddings = network.vision_model.embeddings
    embeddings.position_ids = torch.arange(embeddings.num_positions).expand(1, -1)
    return network
