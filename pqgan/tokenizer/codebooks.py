"""Codebooks of a training that asks for more than gradient steps: on any number of processes the same for all."""

from collections.abc import Callable, Generator
from contextlib import closing
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from pqgan.data.batches import Batch
from pqgan.engine.run_folder import fail_together
from pqgan.errors import SettingsError
from pqgan.quantise.base import Quantised
from pqgan.quantise.kmeans import kmeans
from pqgan.quantise.product import ProductQuantiser
from pqgan.quantise.revival import IdleCodes, replace, sub_vectors_at
from pqgan.quantise.usage import histogram
from pqgan.randomness import generator_at, rng_at, seed_at
from pqgan.settings import PQConfig, Settings

if TYPE_CHECKING:
    from lightning_fabric import Fabric

    from .model import PQModel


class Revival:
    """Gives codewords that nobody chooses a sub-vector of the batch instead.

    The sub-vectors of a step are at places of the whole batch that depend on (seed, step) alone, each at most once a
    subspace unless the batch has fewer than K. Nothing is asked of the device, so that it need not be waited for.

    Args:
        fabric: launched.
        quantiser: whose codebooks these are; it is watched in training.
        optimiser: of the codebooks.
        after: updates without being chosen that make a codeword dead.
        seed: of the run.

    Attributes:
        idle: part of the training's state.
    """

    def __init__(
        self, fabric: "Fabric", quantiser: ProductQuantiser, optimiser: torch.optim.Optimizer, after: int, seed: int
    ):
        self.fabric, self.quantiser, self.optimiser, self.seed = fabric, quantiser, optimiser, seed
        self.idle = IdleCodes(quantiser.S, quantiser.K, after).to(fabric.device)
        self._seen: tuple[Tensor, Tensor] | None = None
        # a hook, because the model's own output has no z_e, and compiled networks run hooks too
        quantiser.register_forward_hook(self._note)

    def _note(self, quantiser: nn.Module, inputs: tuple[Tensor], quantised: Quantised | Tensor) -> None:
        if quantiser.training and torch.is_grad_enabled() and isinstance(quantised, Quantised):
            self._seen = inputs[0].detach(), quantised.codes

    def count(self) -> Tensor:
        """Count the codes of the newest forward pass, of all processes; dead codewords (S, K)."""
        uses = histogram(self._seen[1].flatten(2), self.quantiser.K, found=True)
        if self.fabric.world_size > 1:
            uses = self.fabric.all_reduce(uses, reduce_op="sum")
        return self.idle.count(uses)

    def replace(self, dead: Tensor, number: int) -> None:
        """Replace dead (S, K) codewords by sub-vectors of that forward pass, after the update of step `number`."""
        (z_e, _), self._seen = self._seen, None
        mine = len(z_e) * z_e.shape[2] * z_e.shape[3]
        total, first = mine * self.fabric.world_size, mine * self.fabric.global_rank
        generator = generator_at(self.seed, number, "revival", z_e.device)
        order = torch.randperm(total, generator=generator, device=z_e.device)
        places = order[torch.arange(self.quantiser.K, device=z_e.device) % total]
        vectors = sub_vectors_at(z_e, self.quantiser.S, places, first)  # (S, K, d/S)
        if self.fabric.world_size > 1:
            # every place is one process's and zero in the others
            vectors = self.fabric.all_reduce(vectors, reduce_op="sum")
        replace(self.quantiser.codebooks, dead, vectors, self.optimiser)


Batches = Callable[[range], Generator[tuple[int, Batch], None, None]]
"""Steps -> (step, batch) pairs, whole batches in every process."""


@torch.no_grad()
def start_from_kmeans(
    fabric: "Fabric", settings: Settings, config: PQConfig, model: "PQModel", images: int, batches: Batches
) -> None:
    """Make the centres of k-means over sub-vectors of the first training images the codebooks.

    Every process encodes all of these images and clusters its share of the subspaces.

    Args:
        fabric: launched.
        settings: whose codebook section asks for it.
        config: of the tokenizer.
        model: untrained, on the fabric's device.
        images: of the training set.
        batches: of the training.

    Raises:
        SettingsError: the training set is smaller than what is asked for.
    """
    section, seed = settings.scale.tokenizer.codebook, settings.scale.seed
    asked = section.kmeans_images
    if images < asked:
        least = config.images_for_codebooks(settings.scale.tokenizer.training.resolution)
        message = f"got {asked}, the training set has {images}; allowed: {least} to {images} for {config.name}, or null"
        fail_together(fabric, SettingsError(f"tokenizer.codebook.kmeans_images: {message}"))
    batch = settings.reading.training.total_batch
    vectors = []
    with closing(batches(range(-(-asked // batch)))) as supply:
        for _, loaded in supply:
            # no more at a time than in an update
            for part in loaded.images[: asked - len(vectors)].split(batch // fabric.world_size):
                with fabric.autocast():
                    z_e = model.encode_continuous(part)  # (B, d, h, w)
                for latent in z_e:
                    places = rng_at(seed, len(vectors), "k-means places").permutation(latent[0].numel())
                    places = places[: -(-section.kmeans_vectors * config.K // asked)]
                    vectors.append(sub_vectors_at(latent[None], config.S, torch.from_numpy(places).to(z_e.device)))
    vectors = torch.cat(vectors, dim=1)  # (S, N, d/S)
    found = torch.zeros_like(model.quantiser.codebooks)
    for subspace in range(fabric.global_rank, config.S, fabric.world_size):
        own = seed_at(seed, subspace, "k-means")
        found[subspace] = kmeans(vectors[subspace], config.K, passes=section.kmeans_passes, seed=own)
    model.quantiser.codebooks.copy_(fabric.all_reduce(found, reduce_op="sum") if fabric.world_size > 1 else found)
