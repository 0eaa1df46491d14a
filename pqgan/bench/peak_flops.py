"""How fast a device multiplies matrices: as its maker says, and as measured here."""

import time
from collections.abc import Callable

import torch

from pqgan.cost.gpus import GPUS
from pqgan.engine.timing import rounds_to_tf32

SMALLEST = 256
"""Side of the first matrices that are multiplied."""
PATIENCE = 2.0
"""Seconds that the products of one arithmetic may take."""


def arithmetic(device: torch.device, precision: str) -> str:
    """The fastest arithmetic that a training uses: bf16, TF32 or fp32.

    Args:
        device: that it runs on.
        precision: as Fabric names it.
    """
    if precision.startswith("bf16"):
        return "bf16"
    return "TF32" if rounds_to_tf32(device) else "fp32"


def published(device: torch.device, kind: str) -> float | None:
    """Peak FLOP/s in bf16, TF32 or fp32 that the device's maker publishes, without sparsity; None where unknown."""
    if device.type != "cuda":
        return None
    name = torch.cuda.get_device_name(device)
    known = [gpu for gpu in GPUS.values() if name.startswith(gpu.device)]
    return 1e12 * getattr(known[0], kind) if known else None


def measured(device: torch.device, kind: str, side: int | None = None, repeats: int = 10) -> float:
    """FLOP/s of the fastest of some products of square matrices, in bf16, TF32 or fp32.

    Args:
        side: of the matrices, at most; what fills the device where None. A device so slow that a product of this side
            would take longer than PATIENCE is given smaller ones.
        repeats: products, fewer where they take longer than PATIENCE.
    """
    most = side or (8192 if device.type == "cuda" else 2048)
    before = torch.backends.cuda.matmul.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = kind == "TF32"
    try:
        side = min(SMALLEST, most)
        multiply = _product(device, kind, side)
        multiply()
        # the next side takes eight times as long, and is gone through twice at least
        while (seconds := multiply()) * 16 < PATIENCE and side < most:
            side = min(2 * side, most)
            multiply = _product(device, kind, side)
            multiply()
        fastest, total = seconds, seconds
        for _ in range(repeats - 1):
            if total > PATIENCE:
                break
            seconds = multiply()
            fastest, total = min(fastest, seconds), total + seconds
    finally:
        torch.backends.cuda.matmul.allow_tf32 = before
    return 2 * side**3 / fastest


def _product(device: torch.device, kind: str, side: int) -> Callable[[], float]:
    """A function that multiplies two matrices and returns the seconds that it took."""
    dtype = torch.bfloat16 if kind == "bf16" else torch.float32
    left, right = (torch.randn(side, side, device=device, dtype=dtype) for _ in range(2))

    def multiply() -> float:
        synchronise(device)
        start = time.perf_counter()
        torch.mm(left, right)
        synchronise(device)
        return time.perf_counter() - start

    return multiply


def synchronise(device: torch.device) -> None:
    """Wait for all that a device was given to do."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
