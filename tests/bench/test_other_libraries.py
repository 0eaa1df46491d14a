"""Searches of other libraries, and ours, on the same numbers."""

import subprocess
import sys

import pytest
import torch

from pqgan.bench import other_libraries
from pqgan.bench.other_libraries import FAISS, OURS, VQP, WAYS, LeftOut
from pqgan.quantise.matching import available

SHAPES = [(16, 4, 64), (12, 12, 32), (8, 1, 128), (12, 3, 100)]


@pytest.fixture(params=SHAPES, ids=str)
def numbers(request):
    d, S, K = request.param
    draw = torch.Generator().manual_seed(0)
    z, codebooks = torch.randn(50, d, generator=draw), torch.randn(S, K, d // S, generator=draw)
    distances = torch.cdist(z.view(50, S, -1).transpose(0, 1).double(), codebooks.double())
    return z, codebooks, distances.argmin(dim=2).T


@pytest.mark.parametrize("way", WAYS)
def test_every_search_finds_the_nearest(way, numbers):
    z, codebooks, expected = numbers
    if way in FAISS:
        pytest.importorskip("faiss")
    if way in VQP:
        pytest.importorskip("vector_quantize_pytorch")
    (S, K, _), kind = codebooks.shape, way.rpartition(" ")[2]
    reasons = {
        "does not run here": way in OURS and way not in available("cpu"),
        "not a power of two": way.startswith("faiss Product") and K == 100,
        "S = 1": (kind == "IndexFlatL2" and S > 1) or (kind == "loop" and S == 1),
    }
    for reason in (reason for reason, holds in reasons.items() if holds):
        with pytest.raises(LeftOut, match=reason):
            WAYS[way](z, codebooks)
        return
    search = WAYS[way](z, codebooks)
    found = search.codes(search.find(z))
    assert found.dtype == torch.int64
    assert found.shape == expected.shape
    # others round
    assert (found != expected).float().mean() <= (0 if way in OURS else 0.02)
    assert torch.equal(search.codes(search.find(z[:7])), found[:7])


@pytest.mark.parametrize(
    ("module", "package", "ways"),
    [("faiss", "faiss-cpu", FAISS), ("vector_quantize_pytorch", "vector-quantize-pytorch", VQP)],
)
def test_a_library_that_is_not_installed_is_named(module, package, ways, monkeypatch):
    def absent(name):
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)

    monkeypatch.setattr(other_libraries, "import_module", absent)
    for prepare in ways.values():
        with pytest.raises(LeftOut, match=rf"{package} is not installed; pip install '\.\[bench\]'"):
            prepare(torch.zeros(4, 8), torch.zeros(2, 4, 4))


def test_a_library_that_is_broken_says_why(monkeypatch):
    def broken(name):
        raise ImportError("libgomp.so.1: cannot open shared object file", name="other")

    monkeypatch.setattr(other_libraries, "import_module", broken)
    with pytest.raises(LeftOut, match="cannot be imported: libgomp"):
        other_libraries.faiss_product(torch.zeros(4, 8), torch.zeros(2, 4, 4))


@pytest.mark.parametrize("way", [other_libraries.FULL, *VQP])
def test_what_would_not_fit_into_memory_is_left_out(way, monkeypatch):
    if way in VQP:
        pytest.importorskip("vector_quantize_pytorch")
    free = type("Memory", (), {"available": 100_000})
    monkeypatch.setattr(other_libraries.psutil, "virtual_memory", free)
    with pytest.raises(LeftOut, match=r"would hold about \d+ GB, and \d+ GB are free"):
        WAYS[way](torch.zeros(1000, 8), torch.zeros(2, 64, 4))
    assert WAYS[way](torch.zeros(10, 8), torch.zeros(2, 4, 4))


def test_faiss_is_left_out_on_a_gpu():
    z = torch.zeros(4, 8, device="meta")
    with pytest.raises(LeftOut, match="CPUs alone"):
        other_libraries.faiss_flat(z, torch.zeros(1, 4, 8))


def test_other_libraries_are_loaded_by_their_searches_alone():
    libraries = {"faiss", "vector_quantize_pytorch"}
    program = f"import sys, pqgan.bench.other_libraries; sys.exit(bool({libraries} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
