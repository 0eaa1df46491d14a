"""The stopwatch."""

import time

import pytest
import torch

from pqgan.engine.timing import Stopwatch, arithmetic, device_name


def test_laps_of_blocks_and_calls():
    stopwatch = Stopwatch("cpu")
    with stopwatch.lap():
        time.sleep(0.02)
    double = stopwatch.timed(lambda value: (time.sleep(0.01), 2 * value)[1])
    assert double(21) == 42
    first, second = stopwatch.laps()
    assert 0.02 <= first < 0.5
    assert 0.01 <= second < 0.5
    stopwatch.clear()
    assert stopwatch.laps() == []


def test_devices_and_arithmetic_have_names():
    cpu = torch.device("cpu")
    assert device_name(cpu).startswith("CPU, ")
    assert arithmetic(cpu) == "fp32"
    assert arithmetic(cpu, torch.bfloat16) == "bf16"
    assert "TF32" in arithmetic(torch.device("cuda"))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_events_wait_for_the_device():
    stopwatch = Stopwatch("cuda")
    x = torch.randn(4096, 4096, device="cuda")
    with stopwatch.lap():
        for _ in range(20):
            x = x @ x
    (seconds,) = stopwatch.laps()
    # 20 x 2 x 4096^3 operations cannot be faster than 10 petaflop/s
    assert seconds > 2.7e-4
