"""Batches, which the devices of a training job share equally."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .scale import Scale


def share(key: str, batch: int, devices: int) -> int:
    """Images a device has of a batch.

    Args:
        key: where the batch stands, for the message.
        batch: images an update, over all devices.
        devices: of the training job.

    Raises:
        ValueError: the devices do not divide the batch; the message names the nearest batches that they divide.
    """
    if batch % devices:
        near = [other for other in (batch // devices * devices, (batch // devices + 1) * devices) if other]
        raise ValueError(f"{key} is {batch} on {devices} devices; allowed: such as {' or '.join(map(str, near))}")
    return batch // devices


def check(scale: "Scale") -> None:
    """Raise ValueError for the first batch of a scale that its devices do not divide."""
    for chapter, key, batch in _batches(scale):
        check_one(scale, chapter, key, batch)


def check_one(scale: "Scale", chapter: str, key: str, batch: int) -> None:
    """Raise ValueError if the devices that a training of a chapter may have do not divide a batch."""
    for kind in scale.hardware.kinds():
        share(key, batch, scale.hardware.training_devices(chapter, kind))


def _batches(scale: "Scale") -> Iterator[tuple[str, str, int]]:
    """Chapter, key and images an update of each training; the batch of the tokenizer's is the reading's."""
    if scale.finetune:
        yield "finetune", "finetune.batch", scale.finetune.batch
    for name, variant in scale.variants.items():
        where = f"adapt.variants.{name}"
        yield "adapt", f"{where}.stage1.batch", variant.stage1.batch
        for number, phase in enumerate(variant.stage2):
            yield "adapt", f"{where}.stage2.{number}.batch", phase.batch
    if scale.ldm:
        yield "ldm", "ldm.batch", scale.ldm.batch
