"""Named parts of a step."""

import time

import torch

from pqgan.engine.timed_parts import timed_part, timing_parts


@timed_part("nap")
def nap(seconds):
    time.sleep(seconds)
    return "rested"


def test_nothing_is_timed_while_nobody_measures():
    assert nap(0) == "rested"
    with timing_parts(torch.device("cpu")) as stopwatches:
        pass
    nap(0)
    assert dict(stopwatches) == {}


def test_blocks_and_calls_are_timed_by_name():
    with timing_parts(torch.device("cpu")) as stopwatches:
        nap(0.01)
        nap(0.02)
        with timed_part("work"):
            time.sleep(0.03)
    first, second = stopwatches["nap"].laps()
    assert 0.01 <= first < 0.5
    assert 0.02 <= second < 0.5
    assert 0.03 <= sum(stopwatches["work"].laps()) < 0.5
