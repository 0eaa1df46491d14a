"""Laps on a GPU, whose events tell milliseconds: with events that need none."""

import pytest
import torch

from pqgan.engine import timing


class Event:
    """At so many milliseconds of a clock that goes on by 1500 with each record."""

    now = 0.0

    def __init__(self, enable_timing: bool):
        assert enable_timing

    def record(self) -> None:
        Event.now += 1500
        self.at = Event.now

    def elapsed_time(self, end: "Event") -> float:
        return end.at - self.at


def test_laps_are_seconds_after_the_device_is_done(monkeypatch):
    waited = []
    monkeypatch.setattr(torch.cuda, "Event", Event)
    monkeypatch.setattr(torch.cuda, "synchronize", lambda: waited.append(Event.now))
    stopwatch = timing.Stopwatch("cuda")
    for _ in range(2):
        with stopwatch.lap():
            pass
    assert waited == []
    assert stopwatch.laps() == [pytest.approx(1.5), pytest.approx(1.5)]
    assert waited == [6000]
