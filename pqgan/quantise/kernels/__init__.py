"""Fused Triton kernels for nearest codewords, their squared error and its gradients, on NVIDIA GPUs.

Everything takes sub-vectors z (B, S, c, P) through their strides: latents (B, S c, h, w) viewed so, contiguous or
channels_last, need no copy. Nothing waits for the device, and no tensor has a size of B*P*S*K.
"""

from .gradients import assign_backward
from .nearest import assign, search
from .usage import histogram

__all__ = ["assign", "assign_backward", "histogram", "search"]
