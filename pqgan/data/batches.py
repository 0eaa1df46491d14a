"""Prepared sets -> batches: batch t is a pure function of (seed, t), whatever the workers, ranks or interruptions."""

from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, default_collate

from pqgan.engine.workers import PULSE, iterate, shield
from pqgan.errors import PqganError, SettingsError
from pqgan.randomness import generator_at, rng_at
from pqgan.settings.shares import share

from .pixels import Geometry, resize
from .prepared import PreparedSet

TIMEOUT = 600
"""Seconds without a batch after which workers count as stuck; the loader's own default waits for ever."""


@dataclass
class Batch:
    """Images with what is known of them."""

    images: Tensor
    """(B, 3, H, W), float32 in [-1, 1]."""
    labels: Tensor
    """(B,), int64, on the images' device; -1 where the set has no classes."""
    captions: list[str]


class ImageSet(Protocol):
    """What batches are made of: a prepared set, or anything that reads like one."""

    size: int
    """Shortest side of the images, pixels."""

    def __len__(self) -> int: ...

    def image(self, index: int) -> np.ndarray:
        """RGB pixels (H, W, 3), uint8."""
        ...

    def label(self, index: int) -> int:
        """Class; -1 where there is none."""
        ...

    def caption(self, index: int) -> str: ...


class _Crops(Dataset):
    """Image `index`, cropped to `resolution`: a random crop seeded by `draw`, or the centre crop if `draw` is None."""

    def __init__(
        self, prepared: ImageSet, resolution: int, geometry: Geometry, seed: int, shortest_side: int | None = None
    ):
        self.prepared, self.resolution, self.geometry, self.seed = prepared, resolution, geometry, seed
        self.shortest_side = shortest_side or resolution

    def __getitem__(self, item: tuple[int, int | None]) -> tuple[Tensor, int, str]:
        index, draw = item
        side = self.resolution
        image = resize(Image.fromarray(self.prepared.image(index)), self.shortest_side, self.geometry)
        room = image.width - side, image.height - side
        if draw is None:
            left, top = room[0] // 2, room[1] // 2
        else:
            rng = rng_at(self.seed, draw, "augment")
            left, top = (int(rng.integers(0, free + 1)) for free in room)
        pixels = np.array(image.crop((left, top, left + side, top + side)))  # (H, W, 3)
        return torch.from_numpy(pixels).permute(2, 0, 1), self.prepared.label(index), self.prepared.caption(index)


def _collate(items: list[tuple[Tensor, int, str]]) -> tuple[Tensor, Tensor, list[str]]:
    images, labels, captions = zip(*items, strict=True)
    # the library's own stacks straight into the memory that a worker shares
    return default_collate(list(images)), torch.tensor(labels), list(captions)


def _load(
    crops: _Crops, batches: "list | _Steps", workers: int, device: torch.device | str
) -> Generator[Batch, None, None]:
    device = torch.device(device)
    # two batches a worker are prefetched, the default: reading prepared images takes the same time each, so that more
    # would only fill shared memory; and a loader is iterated once, so that there is no epoch to keep workers for
    loader = DataLoader(
        crops,
        batch_sampler=batches,
        collate_fn=_collate,
        num_workers=workers,
        worker_init_fn=shield,
        timeout=PULSE if workers else 0,
        pin_memory=device.type == "cuda",
        # its own, because the loader draws a number that the global generator would miss
        generator=generator_at(crops.seed, 0, "loader"),
    )
    # a tensor, because CUDA multiplies by the rounded reciprocal of a number: pixels would depend on the device
    half = torch.tensor(127.5, device=device)
    try:
        with closing(iterate(loader, TIMEOUT)) as loaded:
            for images_uint8, labels, captions in loaded:
                # float only here: workers and the bus carry a quarter of the bytes
                images = images_uint8.to(device, non_blocking=True).float().div_(half).sub_(1)  # (B, 3, H, W)
                yield Batch(images, labels.to(device, non_blocking=True), captions)
    except PqganError as error:
        # a worker's error arrives with its traceback, whose last line it is
        last = str(error).strip().splitlines()[-1]
        raise type(error)(last.removeprefix(f"{type(error).__module__}.{type(error).__name__}: ")) from None


class _Steps:
    """For each step, this rank's (image, draw) pairs; draw n of the run is place n % N of epoch n // N."""

    def __init__(self, n: int, batch: int, steps: range, seed: int, mine: range):
        self.n, self.batch, self.steps, self.seed, self.mine = n, batch, steps, seed, mine
        # a batch may straddle two epochs, or more where the set is smaller than a batch
        self._order = lru_cache(maxsize=2)(self._permutation)

    def _permutation(self, epoch: int) -> np.ndarray:
        return rng_at(self.seed, epoch, "order").permutation(self.n)

    def __len__(self) -> int:
        return len(self.steps)

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        for step in self.steps:
            draws = [step * self.batch + place for place in self.mine]
            yield [(int(self._order(draw // self.n)[draw % self.n]), draw) for draw in draws]


def training_batches(
    prepared: PreparedSet,
    *,
    batch: int,
    resolution: int,
    steps: range,
    seed: int,
    geometry: Geometry,
    shortest_side: int | None = None,
    workers: int = 0,
    rank: int = 0,
    world: int = 1,
    device: torch.device | str = "cpu",
) -> Generator[tuple[int, Batch], None, None]:
    """Shuffled batches, each with its step; every image once an epoch. Closing the generator ends its workers.

    Args:
        prepared: the set.
        batch: images a step, over all ranks.
        resolution: side of the images, pixels; images are resized only where it is not the set's own size.
        steps: to make batches for; a later start continues an interrupted run exactly.
        seed: of order and crops.
        geometry: crop brings the shortest side to shortest_side and crops at random; squash brings both sides there.
        shortest_side: pixels; the resolution where None.
        workers: processes that load; 0 loads in this one. Batches do not depend on it.
        rank: which of the world's contiguous slices of a batch is wanted.
        world: number of ranks.
        device: where the batches are wanted; their values do not depend on it.

    Raises:
        SettingsError: ranks that do not divide the batch.
        DataError: a damaged image.
        ResourceError: a worker is stuck or was killed.
    """
    try:
        each = share("batch", batch, world)
    except ValueError as error:
        raise SettingsError(str(error)) from None
    mine = range(rank * each, (rank + 1) * each)
    order = _Steps(len(prepared), batch, steps, seed, mine)
    return _numbered(steps, _load(_Crops(prepared, resolution, geometry, seed, shortest_side), order, workers, device))


def _numbered(steps: range, batches: Generator[Batch, None, None]) -> Generator[tuple[int, Batch], None, None]:
    with closing(batches):
        yield from zip(steps, batches, strict=True)


def evaluation_batches(
    prepared: ImageSet,
    *,
    batch: int,
    resolution: int | None = None,
    geometry: Geometry,
    images: range | None = None,
    workers: int = 0,
    device: torch.device | str = "cpu",
) -> Generator[Batch, None, None]:
    """Every image once, in order, cropped at its centre; the last batch may be smaller.

    Args:
        prepared: the set.
        batch: images a batch.
        resolution: side of the images, pixels; the set's size where None.
        geometry: as for training.
        images: which; all where None.
        workers: processes that load.
        device: where the batches are wanted.

    Raises:
        DataError: a damaged image.
        ResourceError: a worker is stuck or was killed.
    """
    images = range(len(prepared)) if images is None else images
    crops = _Crops(prepared, resolution or prepared.size, geometry, seed=0)
    batches = [[(index, None) for index in images[start : start + batch]] for start in range(0, len(images), batch)]
    return _load(crops, batches, workers, device)
