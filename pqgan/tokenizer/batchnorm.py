"""Batch norm over the whole batch, on however many devices it lies."""

import torch
from torch import Tensor, distributed, nn


@torch.library.custom_op("pqgan::sum_over_processes", mutates_args=())
def sum_over_processes(x: Tensor) -> Tensor:
    """Sum of x over all processes, in each of them.

    An operator of its own, because a compiler drops the gradient of torch.distributed.nn's.
    """
    total = x.clone()
    distributed.all_reduce(total)
    return total


@sum_over_processes.register_fake
def _(x: Tensor) -> Tensor:
    return torch.empty_like(x)


# every process's loss depends on the sum, so its gradient is summed too
sum_over_processes.register_autograd(lambda context, gradient: sum_over_processes(gradient))


class BatchNorm2d(nn.BatchNorm2d):
    """torch's batch norm, its statistics taken over all processes in training.

    torch's own SyncBatchNorm does the same on GPUs only. Weights and buffers have nn.BatchNorm2d's names.
    """

    def forward(self, input: Tensor) -> Tensor:
        """(B, C, h, w) -> (B, C, h, w)."""
        if not (self.training and distributed.is_initialized() and distributed.get_world_size() > 1):
            return super().forward(input)
        with torch.autocast(input.device.type, enabled=False):
            x = input.float()  # (B, C, h, w)
            count = x.numel() / x.shape[1] * distributed.get_world_size()
            mean = sum_over_processes(x.sum(dim=(0, 2, 3))) / count  # (C,)
            centred = x - mean[:, None, None]
            # in a second pass: a difference of sums would lose the digits that small variances need
            variance = sum_over_processes(centred.square().sum(dim=(0, 2, 3))) / count  # (C,)
            with torch.no_grad():
                self.num_batches_tracked += 1
                self.running_mean.lerp_(mean, self.momentum)
                self.running_var.lerp_(variance * (count / (count - 1)), self.momentum)
            scale = self.weight * (variance + self.eps).rsqrt()  # (C,)
            return (centred * scale[:, None, None] + self.bias[:, None, None]).to(input.dtype)
