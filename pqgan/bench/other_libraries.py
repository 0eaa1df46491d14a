"""Searches for nearest codewords under one roof: our backends, and what others use instead.

Every search gets the same memory, N latent vectors of d channels, one after the other.
"""

from collections.abc import Callable
from functools import partial
from importlib import import_module
from types import ModuleType
from typing import Any, NamedTuple

import psutil
import torch
from torch import Tensor

from pqgan.quantise.matching import BACKENDS, available, search
from pqgan.randomness import seeded


class LeftOut(Exception):
    """Why a search does not take part."""


class Search(NamedTuple):
    """A search in given codebooks."""

    find: Callable[[Tensor], Any]
    """Latent vectors (n, d) to the codes in the search's own form."""
    codes: Callable[[Any], Tensor]
    """That form to (n, S) int64."""


Prepare = Callable[[Tensor, Tensor], Search]
"""Latent vectors (N, d) and codebooks (S, K, d/S), both fp32 and on one device, to the search; raises LeftOut."""


def _ours(name: str) -> Prepare:
    def prepare(z: Tensor, codebooks: Tensor) -> Search:
        if name not in available(z.device):
            raise LeftOut(f"does not run here: {z.device.type.upper()} backends are {', '.join(available(z.device))}")
        S = len(codebooks)

        def find(z: Tensor) -> Tensor:
            return search(z.unflatten(1, (S, -1)).permute(1, 2, 0)[None], codebooks, name)  # (1, S, n)

        return Search(find, lambda codes: codes[0].T)

    return prepare


def full_distances(z: Tensor, codebooks: Tensor) -> Search:
    """As VQGAN searches, in one subspace after the other."""
    N, K = len(z), codebooks.shape[1]
    _check_memory(12 * N * K, z.device)

    def nearest(z: Tensor, words: Tensor) -> Tensor:
        distances = z.pow(2).sum(dim=1, keepdim=True) + words.pow(2).sum(dim=1) - 2 * z @ words.T  # (n, K)
        return distances.argmin(dim=1)

    def find(z: Tensor) -> list[Tensor]:
        return [nearest(*each) for each in zip(z.chunk(len(codebooks), dim=1), codebooks, strict=True)]

    return Search(find, lambda codes: torch.stack(codes, dim=1))


def faiss_product(z: Tensor, codebooks: Tensor, transposed: bool = False) -> Search:
    """faiss.ProductQuantizer.compute_codes, which packs its codes."""
    faiss = _faiss(z.device)
    S, K, c = codebooks.shape
    bits = K.bit_length() - 1
    if 1 << bits != K:
        raise LeftOut(f"K = {K} is not a power of two")
    quantizer = faiss.ProductQuantizer(S * c, S, bits)
    faiss.copy_array_to_vector(codebooks.numpy().ravel(), quantizer.centroids)
    if transposed:
        quantizer.sync_transposed_centroids()
    return Search(
        lambda z: quantizer.compute_codes(z.numpy()),
        lambda packed: torch.from_numpy(faiss.unpack_bitstrings(packed, S, bits)).long(),
    )


def faiss_product_transposed(z: Tensor, codebooks: Tensor) -> Search:
    """The same after sync_transposed_centroids, which keeps a second layout of the codewords."""
    return faiss_product(z, codebooks, transposed=True)


def faiss_flat(z: Tensor, codebooks: Tensor) -> Search:
    """faiss.IndexFlatL2, a search in a single codebook."""
    faiss = _faiss(z.device)
    if len(codebooks) > 1:
        raise LeftOut("searches a single codebook: S = 1")
    index = faiss.IndexFlatL2(codebooks.shape[2])
    index.add(codebooks[0].numpy())
    return Search(lambda z: index.search(z.numpy(), 1)[1], torch.from_numpy)


def vector_quantize(z: Tensor, codebooks: Tensor) -> Search:
    """VectorQuantize with a head for each subspace, in evaluation mode."""
    (N, d), (S, K, c) = z.shape, codebooks.shape
    module = _import("vector_quantize_pytorch", "vector-quantize-pytorch")
    _check_memory(_VQP_BYTES * N * S * K, z.device)
    heads = {"heads": S, "codebook_dim": c, "separate_codebook_per_head": True} if S > 1 else {}
    with _own_generator():
        layer = module.VectorQuantize(d, K, **heads).eval().to(z.device)
    layer.codebook = codebooks if S > 1 else codebooks[0]
    return Search(lambda z: layer(z[None])[1], lambda codes: codes[0].view(-1, S))


def vector_quantize_looped(z: Tensor, codebooks: Tensor) -> Search:
    """A VectorQuantize for each subspace, in evaluation mode."""
    S, K, c = codebooks.shape
    module = _import("vector_quantize_pytorch", "vector-quantize-pytorch")
    if S == 1:
        raise LeftOut("with S = 1 the same as with heads")
    _check_memory(_VQP_BYTES * len(z) * K, z.device)
    with _own_generator():
        layers = [module.VectorQuantize(c, K).eval().to(z.device) for _ in range(S)]
    for layer, words in zip(layers, codebooks, strict=True):
        layer.codebook = words

    def find(z: Tensor) -> list[Tensor]:
        return [layer(part[None])[1] for layer, part in zip(layers, z.chunk(S, dim=1), strict=True)]

    return Search(find, lambda codes: torch.cat(codes).T)


OURS: dict[str, Prepare] = {name: _ours(name) for name in BACKENDS}
FAISS: dict[str, Prepare] = {
    "faiss ProductQuantizer": faiss_product,
    "faiss ProductQuantizer, transposed": faiss_product_transposed,
    "faiss IndexFlatL2": faiss_flat,
}
VQP: dict[str, Prepare] = {
    "vector-quantize-pytorch, heads": vector_quantize,
    "vector-quantize-pytorch, loop": vector_quantize_looped,
}
FULL = "full distances"
WAYS: dict[str, Prepare] = {**OURS, FULL: full_distances, **FAISS, **VQP}
"""By the names that results use."""

_VQP_BYTES = 16
"""A distance: itself, a one-hot vector of int64, and the same in fp32."""


# the layers draw codewords, which ours then replace
_own_generator = partial(seeded, 0, "matching peers")


def _faiss(device: torch.device) -> ModuleType:
    if device.type != "cpu":
        raise LeftOut("the faiss-cpu package runs on CPUs alone")
    faiss = _import("faiss", "faiss-cpu")
    faiss.omp_set_num_threads(torch.get_num_threads())
    return faiss


def _import(module: str, package: str) -> ModuleType:
    try:
        return import_module(module)
    except ImportError as error:
        if error.name != module:
            raise LeftOut(f"{package} cannot be imported: {error}") from None
        raise LeftOut(f"{package} is not installed; pip install '.[bench]'") from None


def _check_memory(needed: int, device: torch.device) -> None:
    """Refuse what would take more than half of the memory that is free."""
    cuda = device.type == "cuda"
    free = torch.cuda.mem_get_info(device)[0] if cuda else psutil.virtual_memory().available
    if needed > free / 2:
        raise LeftOut(f"would hold about {needed / 1e9:.0f} GB, and {free / 1e9:.0f} GB are free")
