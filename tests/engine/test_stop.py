"""Signals are noted; the loop looks when it suits."""

import os
import signal

import pytest

from pqgan.engine.stop import SIGNALS, StopRequests


@pytest.fixture(autouse=True)
def terminal():
    """A lost terminal ends this process, unless a test has it otherwise: whoever runs the tests may have used nohup."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


def test_what_nohup_has_ignored_stays_ignored():
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with StopRequests() as stop:
        send(signal.SIGHUP)
        assert stop.signal is None
    assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN


def send(number: int) -> None:
    os.kill(os.getpid(), number)


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_is_only_noted(number):
    with StopRequests() as stop:
        assert stop.signal is None
        send(number)
        assert stop.signal == signal.Signals(number).name


def test_a_second_sigterm_changes_nothing():
    with StopRequests() as stop:
        for number in (signal.SIGTERM, signal.SIGTERM, signal.SIGUSR1):
            send(number)
        assert stop.signal == "SIGTERM"


def test_a_second_ctrl_c_interrupts_at_once():
    with StopRequests() as stop:
        send(signal.SIGINT)
        assert stop.signal == "SIGINT"
        with pytest.raises(KeyboardInterrupt):
            send(signal.SIGINT)


def test_two_ctrl_c_interrupt_after_a_sigterm_too():
    with StopRequests() as stop:
        send(signal.SIGTERM)
        send(signal.SIGINT)
        assert stop.signal == "SIGTERM"
        with pytest.raises(KeyboardInterrupt):
            send(signal.SIGINT)


def test_handlers_are_those_from_before_however_it_ends():
    before = [signal.getsignal(number) for number in SIGNALS]

    def fail():
        with StopRequests():
            assert [signal.getsignal(number) for number in SIGNALS] != before
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert [signal.getsignal(number) for number in SIGNALS] == before
