"""The search as users call it, and the choice of its backend by device and shape."""

import logging
from collections.abc import Callable
from functools import cache

import torch
from torch import Tensor

from . import native, plain


def _fused(z: Tensor, codebooks: Tensor) -> Tensor:
    from pqgan.quantise import kernels  # Triton is there for CUDA alone

    return kernels.search(narrow(z), codebooks)


def narrow(z: Tensor) -> Tensor:
    """In a type that the fused kernels read."""
    return z.float() if z.dtype == torch.float64 else z


BACKENDS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "torch": plain.search,
    "compiled": native.search,
    "triton": _fused,
}
"""By name: (B, S, c, P) sub-vectors in any memory layout and (S, K, c) codebooks to (B, S, P) int64 codes."""


def available(device: torch.device | str) -> list[str]:
    """Backends that run on a device, fastest first."""
    kind = torch.device(device).type
    if kind == "cuda" and _triton_runs():
        return ["triton", "torch"]
    if kind == "cpu" and native.available():
        return ["compiled", "torch"]
    return ["torch"]


@cache
def _triton_runs() -> bool:
    """Whether Triton compiles and runs here; the first call of a process tries it and logs why it does not."""
    try:
        if torch.version.cuda is None:
            raise NotImplementedError("not an NVIDIA build of PyTorch, for which the kernels are written")
        z, codebooks = (torch.tensor(numbers, device="cuda") for numbers in ([[[[3.0]]]], [[[1.0], [2.0]]]))
        if (code := _fused(z, codebooks).item()) != 1:
            raise ArithmeticError(f"found codeword {code}, the nearest is 1")
    except Exception as error:  # of a driver, of a missing C compiler, of Triton's own compiler
        why = " ".join(f"{type(error).__name__}: {error}".split())[:300]
        logging.getLogger(__name__).warning(
            "The Triton search for nearest codes is not available, the slower one in PyTorch is used: %s", why
        )
        return False
    return True


@torch.no_grad()
def nearest_codes(z: Tensor, codebooks: Tensor, backend: str | None = None) -> Tensor:
    """Index of the nearest codeword in Euclidean distance; the lowest index where several are equally near.

    Equal to a search in float64 but where two codewords are equally near within the rounding of fp32.

    Args:
        z: (N, S, d/S) sub-vectors, any float type, any memory layout.
        codebooks: (S, K, d/S) codewords.
        backend: one of BACKENDS; the fastest for device and shape where None.

    Returns:
        (N, S) int64 codes in [0, K).

    Raises:
        ValueError: shapes do not fit, a value is not finite (says where), or no such backend here.
    """
    if z.dim() != 3 or codebooks.dim() != 3 or z.shape[1:] != codebooks.shape[::2]:
        raise ValueError(
            f"nearest_codes: got z {tuple(z.shape)} and codebooks {tuple(codebooks.shape)}; "
            "expected (N, S, d/S) and (S, K, d/S)"
        )
    if backend is not None and backend not in (here := available(z.device)):
        raise ValueError(f"nearest_codes: no backend {backend!r} for {z.device}; available: {', '.join(here)}")
    check_finite(z, "nearest_codes: z", "(position, subspace, channel)")
    check_finite(codebooks, "nearest_codes: codebooks", "(subspace, codeword, channel)")
    codes = search(z.permute(1, 2, 0)[None], codebooks, backend or "")  # (1, S, N)
    return codes[0].T.contiguous()


def check_finite(values: Tensor, name: str, axes: str) -> None:
    """Refuse NaN and infinity, and what float32 cannot hold; not in compiled code, which may not branch on values.

    Raises:
        ValueError: names the first by its place on the axes.
    """
    if torch.compiler.is_compiling():
        return
    # a sum is finite only if every term is (or it overflows): one cheap pass before the exact search for the culprit
    if not values.sum(dtype=torch.float32).isfinite() and not (found := values.float().isfinite()).all():
        where = tuple((~found).nonzero()[0].tolist())
        in_float32 = " in float32" if values[where].isfinite() else ""
        raise ValueError(f"{name} is not finite{in_float32} at {axes} {where}")


@torch.library.custom_op("pqgan::nearest_codes", mutates_args=())
def search(z: Tensor, codebooks: Tensor, backend: str = "") -> Tensor:
    """`nearest_codes` without its checks: any codes for what is not finite, and no wait for the device.

    One operator to a compiler, which need not look inside.

    Args:
        z: (B, S, d/S, P) sub-vectors of P positions, any float type, any memory layout.
        codebooks: (S, K, d/S).
        backend: one of BACKENDS; the fastest where empty.

    Returns:
        (B, S, P) int64 codes in [0, K), contiguous.
    """
    if not z.numel():
        return z.new_empty((*z.shape[:2], z.shape[3]), dtype=torch.int64)
    return BACKENDS[backend or available(z.device)[0]](z, codebooks)


@search.register_fake
def _(z: Tensor, codebooks: Tensor, backend: str = "") -> Tensor:
    B, S, _, P = z.shape
    return z.new_empty((B, S, P), dtype=torch.int64)
