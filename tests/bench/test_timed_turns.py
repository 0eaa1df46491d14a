"""Taking turns, and the memory that work adds."""

import time

import torch

from pqgan.bench.timed_turns import added_memory, in_turns, seconds_of

CPU = torch.device("cpu")


def test_ways_take_turns_and_the_first_round_is_warm_up():
    order = []
    found = in_turns({"a": lambda: order.append("a"), "b": lambda: order.append("b")}, CPU, repeats=3)
    assert order == ["a", "b"] * 4
    assert {name: len(laps) for name, laps in found.items()} == {"a": 3, "b": 3}


def test_something_runs_before_every_turn_outside_of_its_time():
    found = in_turns({"a": lambda: None}, CPU, repeats=2, before=lambda: time.sleep(0.02))
    assert max(found["a"]) < 0.02


def test_a_way_that_has_had_its_time_is_not_called_again():
    calls = []
    ways = {"slow": lambda: (calls.append(1), time.sleep(0.02)), "fast": lambda: None}
    found = in_turns(ways, CPU, repeats=5, patience=0.01)
    assert len(calls) == 1
    assert found["slow"][0] >= 0.02
    assert len(found["fast"]) == 5


def test_seconds_of_one_run():
    assert 0.01 <= seconds_of(lambda: time.sleep(0.01), CPU) < 1


def test_memory_that_work_adds_is_told_on_a_gpu_alone():
    assert added_memory(lambda: None, CPU) is None
    if torch.cuda.is_available():
        cuda = torch.device("cuda")
        assert added_memory(lambda: torch.ones(40 << 18, device=cuda), cuda) == 40 << 20
        assert added_memory(lambda: None, cuda) == 0
