"""Devices, precision and processes, through Lightning Fabric."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from pqgan.errors import ResourceError
from pqgan.settings.scale import Hardware
from pqgan.storage.atomic import new_folder

if TYPE_CHECKING:
    from lightning_fabric import Fabric


def device(hardware: Hardware) -> torch.device:
    """The one device of a job that is not a training; sets the thread count.

    Raises:
        ResourceError: the settings ask for an accelerator that this machine does not have.
    """
    torch.set_num_threads(hardware.cpus)
    if hardware.accelerator == "cuda" and not torch.cuda.is_available():
        raise ResourceError(
            "hardware.accelerator: got 'cuda', but torch sees no CUDA device; "
            "run on a machine with one, or set it to 'cpu' or 'auto' in params.yaml"
        )
    use_cuda = hardware.accelerator != "cpu" and torch.cuda.is_available()
    return torch.device("cuda" if use_cuda else "cpu")


def _import_fabric() -> "type[Fabric]":
    # Fabric asks for torchmetrics' version by importing all of it, which takes longer than everything else it imports
    absent = "torchmetrics" not in sys.modules
    if absent:
        sys.modules["torchmetrics"] = None
    try:
        from lightning_fabric import Fabric
    finally:
        if absent:
            del sys.modules["torchmetrics"]
    return Fabric


def make_fabric(hardware: Hardware, precision: str) -> "Fabric":
    """A launched Fabric for a training job.

    Args:
        hardware: accelerator, devices and threads.
        precision: as Fabric names it: 32-true, bf16-mixed or 16-mixed.
    """
    kind = device(hardware).type
    devices = max(1, hardware.gpus) if kind == "cuda" else 1
    strategy = "ddp" if devices > 1 else "auto"
    fabric = _import_fabric()(accelerator=kind, devices=devices, strategy=strategy, precision=precision)
    fabric.launch()
    return fabric


@contextmanager
def result_folder(fabric: "Fabric", out: Path) -> Iterator[Path]:
    """The folder a training fills, which takes the name `out` if the block ends well.

    Only the first process has one: the others would replace its result with their empty folders.
    """
    with new_folder(out) if fabric.is_global_zero else nullcontext(out) as folder:
        yield folder


@contextmanager
def gradients_besides_backward() -> Iterator[None]:
    """Let torch.autograd.grad pass through modules that Fabric set up, under any precision.

    Under mixed precision Fabric refuses every backward pass but its own, lest the loss scaling be forgotten; the ratio
    of two gradients needs none. Fabric keeps that state in this flag and offers no other way to set it.
    """
    from lightning_fabric import wrappers

    before, wrappers._in_fabric_backward = wrappers._in_fabric_backward, True
    try:
        yield
    finally:
        wrappers._in_fabric_backward = before
