"""Devices, precision and processes, through Lightning Fabric."""

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch
from torch import distributed, nn

from pqgan import start_up
from pqgan.errors import PqganError, ResourceError
from pqgan.settings.hardware import Hardware

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


def launch(hardware: Hardware) -> torch.device:
    """The device of this process of an evaluation, one of hardware.evaluation_devices that each have a process.

    With one it starts nothing and does not pay for importing Fabric.

    Raises:
        ResourceError: as from `device`.
    """
    if hardware.evaluation_devices == 1:
        return device(hardware)
    return make_fabric(hardware, "32-true", hardware.evaluation_devices).device


@contextmanager
def agreeing() -> Iterator[None]:
    """A block at whose end every process learns what went wrong in any: the first says it, the others end in silence.

    Without it they would wait for ever for one that has ended.

    Raises:
        PqganError: in the first process, that of the first process that had one.
        SystemExit: with 0 in the others, because a launcher kills the first where another fails.
    """
    error = None
    try:
        yield
    except PqganError as raised:
        error = raised
    if distributed.is_available() and distributed.is_initialized():
        errors: list[PqganError | None] = [None] * distributed.get_world_size()
        distributed.all_gather_object(errors, error)
        error = next((found for found in errors if found is not None), None)
        if error is not None and distributed.get_rank():
            distributed.destroy_process_group()  # left open, it may abort the exit
            raise SystemExit(0)
    if error is not None:
        raise error


def _import_fabric() -> "type[Fabric]":
    # Fabric asks for torchmetrics' version by importing all of it, which takes longer than everything else it imports
    with start_up.importing("lightning_fabric"), start_up.standing_in("torchmetrics", None):
        from lightning_fabric import Fabric
    return Fabric


def training_fabric(hardware: Hardware, precision: str, chapter: str) -> "Fabric":
    """A launched Fabric for a training job of a chapter, on as many devices as the settings give it.

    Raises:
        ResourceError: as from `make_fabric`.
    """
    return make_fabric(hardware, precision, hardware.training_devices(chapter, device(hardware).type))


def make_fabric(hardware: Hardware, precision: str, devices: int = 1) -> "Fabric":
    """A launched Fabric.

    A job of several devices has a process for each. In a Slurm job they are the tasks of its step, elsewhere Fabric
    starts them.

    Args:
        hardware: accelerator and threads.
        precision: as Fabric names it: 32-true or bf16-mixed.
        devices: of the job.

    Raises:
        ResourceError: an accelerator that this machine does not have, or Slurm has started another number of processes
            than there are devices.
    """
    kind = device(hardware).type
    strategy = "ddp" if devices > 1 else "auto"
    fabric = _import_fabric()
    with warnings.catch_warnings():
        # where Slurm is installed but did not start this process
        warnings.filterwarnings("ignore", "The `srun` command is available")
        _check_tasks(devices)
        launched = fabric(accelerator=kind, devices=devices, strategy=strategy, precision=precision)
    launched.launch()
    return launched


def _check_tasks(devices: int) -> None:
    from lightning_fabric.plugins.environments import SLURMEnvironment, TorchElasticEnvironment

    if TorchElasticEnvironment.detect() or not SLURMEnvironment.detect():
        return
    tasks = int(os.environ["SLURM_NTASKS"])
    if tasks != devices:  # Fabric would train on the devices that have a task, and say nothing
        raise ResourceError(
            f"SLURM_NTASKS: got {tasks}, expected {devices}: a process for each of the job's devices; "
            f"start it with srun --ntasks-per-node={devices}"
        )


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
