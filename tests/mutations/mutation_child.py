"""Runs tests in a process that a warm one forks: libraries are imported once, the code under test each time."""

import contextlib
import multiprocessing
import os
import signal
import sys
import tempfile
from pathlib import Path

SLOW_TO_IMPORT = "mutation_libraries"
"""A module that imports them."""


def _run(tree: str, tests: tuple[str, ...], said: str) -> None:
    os.setsid()  # so that whatever the tests start can be ended with them
    os.chdir(tree)
    multiprocessing.set_start_method(None, force=True)  # the system's own, as where pytest is called
    # nothing compiled may outlive the fault that it was compiled from
    sys.dont_write_bytecode = True
    os.environ |= {"PYTHONPATH": tree, "PYTHONDONTWRITEBYTECODE": "1"}
    sys.path.insert(0, tree)
    output = os.open(said, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    for stream in (1, 2):
        os.dup2(output, stream)
    import pytest

    options = ["-x", "-q", "-p", "no:cacheprovider", "-m", "not thorough", f"--basetemp={said}-files"]
    code = pytest.main([*options, *(f"tests/{test}" for test in tests)])
    sys.stdout.flush()
    os._exit(int(code))


def run_tests(tree: Path, tests: tuple[str, ...], timeout: float) -> tuple[int | None, str]:
    """pytest's exit code, None where it took too long, and what it said.

    Args:
        tree: whose tests and code they are.
        tests: below tests/.
        timeout: seconds.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([SLOW_TO_IMPORT])
    with tempfile.TemporaryDirectory(prefix="mutation-tests-") as scratch:
        said = Path(scratch) / "said"
        child = context.Process(target=_run, args=(str(tree), tests, str(said)))
        child.start()
        child.join(timeout)
        late = child.is_alive()
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(child.pid, signal.SIGKILL)
        child.join()
        words = said.read_text(errors="replace") if said.is_file() else ""
        return (None if late else child.exitcode), words
