"""Memory is told in bytes."""

import resource

import torch

from pqgan.engine.timing import peak_memory
from pqgan.provenance import environment


def test_the_process_s_peak_is_the_kernel_s_number_in_bytes():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    used, words = peak_memory(torch.device("cpu"))
    said = environment()
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    assert before <= used <= after
    assert "resident" in words
    if not torch.cuda.is_initialized():
        assert before <= said["peak_memory_bytes"] <= after
