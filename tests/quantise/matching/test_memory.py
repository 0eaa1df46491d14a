"""The search never holds all distances."""

import os
import subprocess
import sys

import pytest
import torch

from pqgan.quantise.matching import available, search

PROGRAM = """
import sys
import torch
from pqgan.quantise.matching import search
from pqgan.quantise.product import ProductQuantiser

def kilobytes(field):
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith(field))

backend, what, *shape = sys.argv[1:]
B, S, K, c, *positions = map(int, shape)
if what == "search":
    codebooks = torch.randn(S, K, c)
    run = lambda z: search(z, codebooks, backend)
else:
    quantiser = ProductQuantiser(S * c, S, K)

    def run(z):
        z_e = z.reshape(len(z), S * c, -1, 1).clone().requires_grad_()
        z_q, codes, loss = quantiser(z_e)
        ((z_q * z_q).mean() + loss).backward()
        return torch.cat([codes.flatten(), z_q.detach().flatten(), z_e.grad.flatten()])

run(torch.randn(1, S, c, 8))  # libraries are loaded, threads started, gradients of codewords there
for P in positions:
    z = torch.randn(B, S, c, P)
    with open("/proc/self/clear_refs", "w") as peak:
        peak.write("5")
    before = kilobytes("VmRSS")
    kept = run(z)
    print(kilobytes("VmHWM") - before - kept.nbytes // 1024)
"""


def mebibytes(backend: str, what: str, B: int, S: int, K: int, c: int, *positions: int) -> list[float]:
    """Peak memory of a search or of a quantiser's training step beside what goes in and comes out, by positions."""
    # the quantiser takes the fastest backend that there is
    environment = os.environ | ({"PQGAN_COMPILED_SEARCH": "0"} if backend == "torch" else {})
    command = [sys.executable, "-c", PROGRAM, backend, what, *map(str, (B, S, K, c, *positions))]
    try:
        found = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    except subprocess.CalledProcessError as error:
        if "clear_refs" in error.stderr:
            pytest.skip("this system does not let a process reset its peak memory")
        raise
    return [int(line) / 1024 for line in found.stdout.split()]


@pytest.mark.parametrize("backend", available("cpu"))
def test_at_batch_20_and_256_px_and_64_subspaces_of_512_words_it_needs_less_than_64_mib(backend):
    """All distances would take 2.7 GB."""
    (peak,) = mebibytes(backend, "search", 20, 64, 512, 2, 32 * 32)
    assert 0 <= peak < 64


@pytest.mark.parametrize("what", ["search", "step"])
@pytest.mark.parametrize("backend", available("cpu"))
def test_at_128_subspaces_of_16384_words_it_does_not_grow_with_the_positions(backend, what):
    """d=256, S=128, K=16384: a GPU's share of the paper's batch is 5 x 1024 positions, whose distances take 43 GB.

    64 positions alone have 512 MiB of them. What a search holds is bounded; a step also has 16 MiB of codewords, their
    gradient and its sum.
    """
    few, more = mebibytes(backend, what, 1, 128, 16_384, 2, 16, 64)
    assert few < 96
    assert more < max(few, 0) + 64  # distances would be 384 MiB more


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("backend", ["triton", "torch"])
@pytest.mark.parametrize(("S", "K", "width"), [(64, 512, 2), (128, 512, 1), (1, 16_384, 256), (128, 16_384, 2)])
def test_likewise_on_a_gpu(backend, S, K, width):
    z, codebooks = torch.randn(20, S, width, 32 * 32, device="cuda"), torch.randn(S, K, width, device="cuda")
    search(z, codebooks, backend)
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    codes = search(z, codebooks, backend)
    assert torch.cuda.max_memory_allocated() - before - codes.nbytes < 64 * 2**20
