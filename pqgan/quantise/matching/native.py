"""The search on a CPU, compiled from nearest.cpp; it holds no distances but those of a few codewords at a time."""

import ctypes
import functools
import logging
import os
import threading

import torch
from torch import Tensor

from pqgan.errors import ResourceError

from . import build

SWITCH = "PQGAN_COMPILED_SEARCH"
"""Environment variable; 0 turns this backend off."""

_lock = threading.Lock()
_loaded: list[ctypes.CDLL | None] = []


def available() -> bool:
    """Whether this backend works here; the first call of a process loads or builds it and logs why it cannot."""
    return os.environ.get(SWITCH) != "0" and _library() is not None


def search(z: Tensor, codebooks: Tensor) -> Tensor:
    """Index of the nearest codeword in Euclidean distance; the lowest index where several are equally near.

    Up to 16 channels (32 on a processor with bf16) differences in fp32 decide, beyond differences in float64 of the
    inputs in fp32. Codes do not depend on the number of threads, which is PyTorch's.

    Args:
        z: (B, S, c, P) sub-vectors of P positions on the CPU, any float type, any memory layout.
        codebooks: (S, K, c) codewords on the CPU, any float type.

    Returns:
        (B, S, P) int64 codes in [0, K), contiguous; any codes for what is not finite.

    Raises:
        ValueError: shapes do not fit, no codeword, or not on the CPU.
        ResourceError: the backend is not available, or there is not enough memory.
    """
    if z.dim() != 4 or codebooks.dim() != 3 or z.shape[1:3] != codebooks.shape[::2] or codebooks.shape[1] == 0:
        raise ValueError(
            f"compiled search: got z {tuple(z.shape)} and codebooks {tuple(codebooks.shape)}; "
            "expected (B, S, c, P) and (S, K, c), K at least 1"
        )
    if z.device.type != "cpu" or codebooks.device.type != "cpu":
        raise ValueError(f"compiled search: got z on {z.device} and codebooks on {codebooks.device}; expected the CPU")
    if not available():
        raise ResourceError("compiled search: switched off or not to be built here, see the log; use another backend")
    return _call(_library(), z, codebooks)


def _call(library: ctypes.CDLL, z: Tensor, codebooks: Tensor) -> Tensor:
    z, codebooks = z.float(), codebooks.float().contiguous()
    B, S, c, P = z.shape
    # not zeros: filling a large tensor wakes PyTorch's threads
    codes = torch.empty((B, S, P), dtype=torch.int64)
    if codes.numel() == 0 or c == 0:
        return codes.zero_()
    status = library.pqgan_nearest_codes(
        z.data_ptr(),
        *(B, S, c, P),
        *z.stride(),
        codebooks.data_ptr(),
        codebooks.shape[1],
        codes.data_ptr(),
        torch.get_num_threads(),
        _team(),
    )
    if status:
        raise ResourceError(
            f"compiled search: not enough memory for z {tuple(z.shape)} and codebooks {tuple(codebooks.shape)}; "
            "search fewer positions at a time"
        )
    return codes


@functools.cache
def _team() -> int | None:
    """Address of the function that runs a job on PyTorch's own threads, where an OpenMP runtime keeps them."""
    try:
        libraries = ctypes.CDLL(os.path.join(torch.__path__[0], "lib", "libtorch_cpu.so"))  # and all it depends on
        return ctypes.cast(libraries.GOMP_parallel, ctypes.c_void_p).value
    except (OSError, AttributeError):
        return None


def _library() -> ctypes.CDLL | None:
    with _lock:
        if not _loaded:
            try:
                _loaded.append(_checked(build.load()))
            except (ResourceError, OSError, ValueError, AttributeError) as error:
                _loaded.append(None)
                logging.getLogger(__name__).warning(
                    "The compiled search for nearest codes is not available, the slower one in PyTorch is used: %s",
                    error,
                )
        return _loaded[0]


def _checked(library: ctypes.CDLL) -> ctypes.CDLL:
    """Declare the function's arguments and compare one small search of each kind, in whole numbers, with all distances.

    Raises:
        ResourceError: a code is not that of the nearest codeword; the compiler is at fault.
    """
    pointer, number = ctypes.c_void_p, ctypes.c_int64
    library.pqgan_nearest_codes.argtypes = [pointer, *[number] * 8, pointer, number, pointer, number, pointer]
    library.pqgan_nearest_codes.restype = ctypes.c_int
    for c in (1, 2, 8, 40):
        z = (torch.arange(200 * c) * 37 % 101).float().view(1, 1, c, 200)
        codebook = (torch.arange(70 * c) * 53 % 103).float().view(1, 70, c)
        distances = torch.cdist(z[0, 0].T, codebook[0], compute_mode="donot_use_mm_for_euclid_dist")  # (200, 70)
        chosen = distances.gather(1, _call(library, z, codebook)[0, 0, :, None].clamp(0, 69))
        if not torch.equal(chosen[:, 0], distances.amin(dim=1)):
            raise ResourceError(f"wrong codes from {build.SOURCE.name} for sub-vectors of {c} channels")
    return library
