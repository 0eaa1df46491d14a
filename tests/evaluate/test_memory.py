"""Memory of FID and CMMD does not grow with the pairs of images."""

import subprocess
import sys

import pytest

PROGRAM = """
import sys
import torch
from torch.nn import functional
from pqgan.evaluate.metrics.bootstrap import interval
from pqgan.evaluate.metrics.cmmd import cmmd
from pqgan.evaluate.metrics.frechet import Moments

def kilobytes(field):
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith(field))

def cmmd_of(n):
    x, y = (functional.normalize(torch.randn(n, 64), dim=1) for _ in range(2))
    return lambda: cmmd(x, y)

def moments_of(n):
    def update():
        moments = Moments(512)
        for _ in range(n // 100):
            moments.update(torch.randn(100, 512))
    return update

def interval_of(n):
    values = torch.rand(n)
    return lambda: interval(values)

torch.set_num_threads(1)
measured = globals()[sys.argv[1]]
measured(200)()  # libraries are loaded
work = measured(int(sys.argv[2]))
with open("/proc/self/clear_refs", "w") as peak:
    peak.write("5")
before = kilobytes("VmRSS")
work()
print(kilobytes("VmHWM") - before)
"""


@pytest.mark.parametrize(
    ("measured", "n", "limit", "whole"),
    [
        ("cmmd_of", 12_000, 160, "the kernel of all pairs: 1.1 GiB"),
        ("moments_of", 60_000, 40, "the features: 117 MiB, as float64 twice that"),
        ("interval_of", 50_000, 20, "all resamples: 381 MiB"),
    ],
)
def test_only_blocks_are_held(measured, n, limit, whole):
    try:
        found = subprocess.run(
            [sys.executable, "-c", PROGRAM, measured, str(n)], capture_output=True, text=True, check=True
        )
    except subprocess.CalledProcessError as error:
        if "clear_refs" in error.stderr:
            pytest.skip("this system does not let a process reset its peak memory")
        raise
    mebibytes = int(found.stdout) / 1024
    assert 0 <= mebibytes < limit, f"{mebibytes:.0f} MiB; {whole}"
