"""A linear path and its codebooks from a prepared set: the start of a training around it, or all of a linear tokenizer.

On any number of processes the same: moments add up exactly, and each process clusters its share of the subspaces.
"""

from typing import TYPE_CHECKING

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from pqgan.data.pixels import resize
from pqgan.data.prepared import PreparedSet
from pqgan.engine.run_folder import fail_together
from pqgan.errors import SettingsError
from pqgan.quantise.kmeans import kmeans
from pqgan.randomness import rng_at, seed_at
from pqgan.settings import Settings

from .linear_fit import Moments, components, deal_out, patches_at, set_path

if TYPE_CHECKING:
    from lightning_fabric import Fabric

    from .model import PQModel

IMAGES = 64
"""Images whose patches are projected at a time."""


@torch.no_grad()
def start_from_components(
    fabric: "Fabric", settings: Settings, model: "PQModel", prepared: PreparedSet, side: int, seed: int
) -> None:
    """Set a model's linear path to principal components, its codebooks to k-means of what these make of patches.

    The trunk and the refinement, where they are there, start with adding nothing.

    Args:
        fabric: launched.
        settings: whose tokenizer.linear says how much is looked at.
        model: with a linear path, on the fabric's device.
        prepared: training set.
        side: shortest side that its images are brought to, pixels.
        seed: of what is drawn.

    Raises:
        SettingsError: the set has fewer patches than a codebook has words.
    """
    section, F = settings.scale.tokenizer.linear, model.factor
    images = _Images(prepared, min(section.images or len(prepared), len(prepared)), side, settings)
    each = -(-section.vectors // len(images))
    if len(images) * each < model.config.K:
        message = f"tokenizer.linear.vectors: got {section.vectors}; allowed: {model.config.K} or more, for K words"
        fail_together(fabric, SettingsError(message))
    moments = Moments(F)
    moments.add(images[number] for number in range(fabric.global_rank, len(images), fabric.world_size))
    if fabric.world_size > 1:
        count = torch.tensor(moments.n, dtype=torch.float64)
        for total in (count, moments.first, moments.second):
            # whole numbers below 2^53: exact in any order
            total.copy_(fabric.all_reduce(total.to(fabric.device), reduce_op="sum"))
        moments.n = int(count)
    found = components(moments, model.config.d)
    set_path(model.linear, found, deal_out(found.variances, model.config.S))
    vectors = _projected(images, model, each, seed)  # (N, S, d/S)
    books = torch.zeros_like(model.quantiser.codebooks, device="cpu")  # (S, K, d/S)
    for subspace in range(fabric.global_rank, model.config.S, fabric.world_size):
        own = seed_at(seed, subspace, "k-means")
        here = vectors[:, subspace].to(fabric.device)
        books[subspace] = kmeans(here, model.config.K, passes=section.passes, seed=own)
    books = books.to(fabric.device)
    model.quantiser.codebooks.copy_(fabric.all_reduce(books, reduce_op="sum") if fabric.world_size > 1 else books)
    if model.refinement is not None:
        model.refinement.from_latents.load_state_dict(model.linear.to_patches.state_dict())
    trunk = [model.quant_conv, model.decoder.conv_out] if model.has_trunk else []
    for layer in trunk + ([model.refinement.conv_out] if model.refinement is not None else []):
        layer.weight.zero_()
        layer.bias.zero_()


class _Images:
    """The first images of a set, at a shortest side: (H, W, 3) uint8."""

    def __init__(self, prepared: PreparedSet, n: int, side: int, settings: Settings):
        self.prepared, self.n, self.side, self.geometry = prepared, n, side, settings.reading.data.geometry

    def __len__(self) -> int:
        return self.n

    def __getitem__(self, number: int) -> np.ndarray:
        # spread over the set, whose order may be that of its classes
        index = number * len(self.prepared) // self.n
        return np.array(resize(Image.fromarray(self.prepared.image(index)), self.side, self.geometry))


def _projected(images: _Images, model: "PQModel", each: int, seed: int) -> Tensor:
    """Latents (N, S, d/S) float32, on the CPU, of patches drawn from every image, in the order of the images."""
    path, d = model.linear.to_latents, model.config.d
    weight, bias = (values.detach().double().cpu() for values in (path.weight.flatten(1), path.bias))  # (d, 3 F^2)
    # in one piece from the start: put together at the end it would be there twice
    vectors = torch.empty(len(images) * each, d)
    for first in range(0, len(images), IMAGES):
        numbers = range(first, min(first + IMAGES, len(images)))
        drawn = [patches_at(images[number], model.factor, each, rng_at(seed, number, "patches")) for number in numbers]
        levels = torch.from_numpy(np.concatenate(drawn)).double() / 127.5 - 1  # (n, 3 F^2)
        vectors[first * each : first * each + len(levels)] = levels @ weight.T + bias
    return vectors.view(-1, model.config.S, d // model.config.S)
