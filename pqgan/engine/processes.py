"""Images shared between the processes of torch.distributed's default group, and results brought together.

Without a group there is one process, and everything here is free. Tensors travel as bytes: what arrives is what was
sent, to the bit, over gloo and nccl alike.
"""

from collections.abc import Iterator

import torch
from torch import Tensor, distributed


def _on() -> bool:
    return distributed.is_available() and distributed.is_initialized()


def rank() -> int:
    """This process's number."""
    return distributed.get_rank() if _on() else 0


def count() -> int:
    """How many processes there are."""
    return distributed.get_world_size() if _on() else 1


def is_first() -> bool:
    """Whether this process is the one that writes files."""
    return rank() == 0


def share(n: int) -> range:
    """The images of n that this process measures: contiguous, in rank order, sizes that differ by at most one."""
    return range(n * rank() // count(), n * (rank() + 1) // count())


def cat(tensor: Tensor) -> Tensor:
    """The rows of every process's tensor (n_rank, ...), in rank order, on every process; alone, the tensor itself.

    Each process has to call it. Numbers of rows may differ; a process that has none may leave their shape open.
    """
    if not _on():
        return tensor
    headers = _headers((tuple(tensor.shape), tensor.dtype))
    kinds = {(shape[1:], dtype) for shape, dtype in headers if shape[0]}
    if len(kinds) > 1:
        raise ValueError(f"processes: got tensors {headers}; expected one type and one shape but for the rows")
    row, dtype = kinds.pop() if kinds else (tensor.shape[1:], tensor.dtype)
    whole = torch.empty(sum(shape[0] for shape, _ in headers), *row, dtype=dtype, device=tensor.device)
    for source, part in enumerate(whole.split([shape[0] for shape, _ in headers])):
        if len(part):
            part.copy_(_broadcast(tensor if source == rank() else part, source, part.device))
    return whole


def share_of_batches(n: int, batch: int) -> range:
    """The images of n that this process measures, in whole batches of the job.

    How images are batched moves the last bits of what networks make of them, and with them a code now and then: so no
    image is in another batch than with one process.
    """
    batches = share(-(-n // batch))
    return range(min(batches.start * batch, n), min(batches.stop * batch, n))


def in_turn(tensors: dict[str, Tensor], device: torch.device) -> Iterator[dict[str, Tensor]]:
    """What every process passed, in rank order, on every process's device; one process's at a time is held.

    Each process has to call it, and to take all. Names, shapes and types may differ between them.
    """
    if not _on():
        yield tensors
        return
    headers = _headers({name: (tuple(tensor.shape), tensor.dtype) for name, tensor in tensors.items()})
    for source, header in enumerate(headers):
        own = source == rank()
        yield {
            name: _broadcast(tensors[name] if own else torch.empty(shape, dtype=dtype), source, device)
            for name, (shape, dtype) in header.items()
        }


def _headers(header: object) -> list:
    """Every process's header."""
    headers = [None] * count()
    distributed.all_gather_object(headers, header)
    return headers


def _broadcast(tensor: Tensor, source: int, device: torch.device) -> Tensor:
    """One process's tensor, on every process's device; the others pass one of the same shape and type."""
    carried = tensor.contiguous().to(_carrier())
    if carried.numel():
        distributed.broadcast(carried.reshape(-1).view(torch.uint8), source)
    return carried.to(device)


def _carrier() -> torch.device:
    """Where the group's backend carries tensors: the same on all processes, wherever their tensors are."""
    return torch.device("cpu" if "gloo" in distributed.get_backend() else torch.cuda.current_device())
