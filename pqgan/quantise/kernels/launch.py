"""What every kernel's launch needs: arguments that fit, an output like the input, and how wide the device is."""

import torch
import triton
from torch import Tensor

INTERPRETED = triton.knobs.runtime.interpret
"""Triton's interpreter was on when the kernels were imported: they run on the CPU, for tests."""


def can_run(tensor: Tensor) -> bool:
    """Triton reaches the tensor."""
    return tensor.is_cuda or INTERPRETED


def checked(what: str, z: Tensor, codebooks: Tensor) -> Tensor:
    """The codebooks as kernels read them: fp32, contiguous.

    Raises:
        ValueError: shapes or types that do not fit, tensors on two devices or on one without Triton.
    """
    fits = z.dim() == 4 and codebooks.dim() == 3 and z.shape[1:3] == codebooks.shape[::2] and codebooks.numel()
    if not fits:
        raise ValueError(
            f"{what}: got z {tuple(z.shape)} and codebooks {tuple(codebooks.shape)}; "
            "expected (B, S, c, P) and (S, K, c)"
        )
    for name, tensor in (("z", z), ("codebooks", codebooks)):
        if tensor.dtype not in (torch.float16, torch.bfloat16, torch.float32):
            raise ValueError(f"{what}: {name} is {tensor.dtype}; expected float16, bfloat16 or float32")
    if codebooks.device != z.device or not can_run(z):
        raise ValueError(f"{what}: z is on {z.device}, codebooks on {codebooks.device}; expected one CUDA device")
    # rows of a tile are numbered in 32 bits; offsets into tensors in 64
    positions = z.shape[0] * z.shape[3]
    if max(positions, codebooks.numel()) >= 2**31 - 2**16:
        raise ValueError(
            f"{what}: {positions} positions, {codebooks.numel()} numbers in codebooks; expected below 2^31"
        )
    return codebooks.detach().float().contiguous()


def checked_codes(what: str, codes: Tensor, z: Tensor) -> Tensor:
    """The codes of z, contiguous.

    Raises:
        ValueError: not int64 codes (B, S, P) on the device of z.
    """
    B, S, _, P = z.shape
    if codes.shape != (B, S, P) or codes.dtype != torch.int64 or codes.device != z.device:
        raise ValueError(
            f"{what}: got codes {tuple(codes.shape)} {codes.dtype} on {codes.device}; "
            f"expected {(B, S, P)} torch.int64 on {z.device}"
        )
    return codes.contiguous()


def multiprocessors(device: torch.device) -> int:
    """Streaming multiprocessors to keep busy; an H200's where there is no GPU."""
    return torch.cuda.get_device_properties(device).multi_processor_count if device.type == "cuda" else 132


def power_of_two(number: float) -> int:
    """The largest power of two that is not above the number; 1 below 1."""
    return 1 << max(0, int(number).bit_length() - 1)
