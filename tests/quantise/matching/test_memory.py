"""The search never holds all distances."""

import subprocess
import sys

import pytest
import torch

from pqgan.quantise.matching import available, search

PROGRAM = """
import sys
import torch
from pqgan.quantise.matching import search

def kilobytes(field):
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith(field))

backend = sys.argv[1]
z, codebooks = torch.randn(20, 64, 2, 32 * 32), torch.randn(64, 512, 2)
search(z[:1], codebooks, backend)  # libraries are loaded, threads started
with open("/proc/self/clear_refs", "w") as peak:
    peak.write("5")
before = kilobytes("VmRSS")
codes = search(z, codebooks, backend)
print(kilobytes("VmHWM") - before - codes.nbytes // 1024)
"""


@pytest.mark.parametrize("backend", available("cpu"))
def test_at_batch_20_and_256_px_and_64_subspaces_of_512_words_it_needs_less_than_64_mib(backend):
    """All distances would take 2.7 GB."""
    try:
        found = subprocess.run([sys.executable, "-c", PROGRAM, backend], capture_output=True, text=True, check=True)
    except subprocess.CalledProcessError as error:
        if "clear_refs" in error.stderr:
            pytest.skip("this system does not let a process reset its peak memory")
        raise
    assert 0 <= int(found.stdout) < 64 * 1024, f"{backend}: {int(found.stdout) / 1024:.0f} MiB"


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("backend", ["triton", "torch"])
@pytest.mark.parametrize(("S", "K", "width"), [(64, 512, 2), (128, 512, 1), (1, 8192, 256), (32, 8192, 8)])
def test_likewise_on_a_gpu(backend, S, K, width):
    z, codebooks = torch.randn(20, S, width, 32 * 32, device="cuda"), torch.randn(S, K, width, device="cuda")
    search(z, codebooks, backend)
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    codes = search(z, codebooks, backend)
    assert torch.cuda.max_memory_allocated() - before - codes.nbytes < 64 * 2**20
