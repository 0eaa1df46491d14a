"""Devices, precision and processes, through Lightning Fabric."""

import sys
from typing import TYPE_CHECKING

import torch
from torch import nn

from pqgan.errors import ResourceError
from pqgan.settings.scale import Hardware

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
        precision: as Fabric names it: 32-true or bf16-mixed.
    """
    kind = device(hardware).type
    devices = max(1, hardware.gpus) if kind == "cuda" else hardware.processes
    strategy = "ddp" if devices > 1 else "auto"
    fabric = _import_fabric()(accelerator=kind, devices=devices, strategy=strategy, precision=precision)
    fabric.launch()
    return fabric


def set_up(
    fabric: "Fabric", hardware: Hardware, module: nn.Module, optimiser: torch.optim.Optimizer
) -> tuple[nn.Module, torch.optim.Optimizer]:
    """A module, laid out, and its optimiser on the fabric's devices."""
    lay_out(hardware, module)
    return fabric.setup(module, optimiser)


def lay_out(hardware: Hardware, module: nn.Module) -> None:
    """Memory layout and compilation of a module, as the hardware settings say.

    It is changed in place and keeps the names of its tensors.
    """
    if hardware.channels_last:
        module.to(memory_format=torch.channels_last)
    if hardware.compile:
        module.compile()
