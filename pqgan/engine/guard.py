"""The guard between backward and optimiser: numbers that are not finite never reach the weights."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn.utils import get_total_norm

from pqgan.errors import NumericalError

from .run_folder import fail_together

if TYPE_CHECKING:
    from lightning_fabric import Fabric


def gradient_norm(parameters: Iterable[Tensor]) -> Tensor:
    """Euclidean norm over all gradients there are."""
    return get_total_norm([parameter.grad for parameter in parameters if parameter.grad is not None])


def check_finite(fabric: "Fabric", values: Mapping[str, Tensor], number: int) -> None:
    """Stop all processes if a value of any of them is NaN or infinite.

    Args:
        values: scalars by name: losses and the gradient norm.
        number: of the step, from 0.

    Raises:
        NumericalError: names which, on the first process.
    """
    numbers = torch.stack([value.detach().float().mean() for value in values.values()])
    good = numbers.isfinite()  # (values,)
    if fabric.world_size > 1:
        good = fabric.all_reduce(good.float(), reduce_op="sum") == fabric.world_size
    if good.all():
        return
    shown = ", ".join(
        f"{name} ({value:.4g})" if fabric.world_size == 1 else name
        for name, value, fine in zip(values, numbers.tolist(), good.tolist(), strict=True)
        if not fine
    )
    fail_together(
        fabric,
        NumericalError(
            f"step {number + 1}: not finite: {shown}; stopped before this update; "
            "lower the learning rate or raise the precision"
        ),
    )
