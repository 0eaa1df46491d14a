"""What the machine has, as far as it can be asked without a device's library."""

import os

PER_CORE = 4
"""Processes or threads that a core may be given: with more they only wait for each other."""
MOST = 1024
"""Of them on one machine; params.yaml takes no more either."""


def cores() -> int:
    """Cores that this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def most_processes() -> int:
    """Processes, or threads, that make sense beside each other."""
    return min(MOST, PER_CORE * cores())
