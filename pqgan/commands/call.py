"""What the groups of commands share: the plan that is meant, functions by name, and the values of arguments."""

import argparse
from collections.abc import Callable
from importlib import import_module
from typing import Any

from pqgan import start_up
from pqgan.errors import DataError
from pqgan.plan import Plan
from pqgan.settings import load
from pqgan.tokenizer.selected import plan_here

Verbs = argparse._SubParsersAction
"""Where a command's parser is added."""


def function(path: str) -> Callable[..., Any]:
    """The function that module:function names; its module is imported now and not before."""
    module, _, name = path.partition(":")
    with start_up.importing(module):
        return getattr(import_module(module), name)


def load_plan(arguments: argparse.Namespace) -> Plan:
    """The plan of --scale in --params, with what finished selections chose."""
    return plan_here(load(arguments.params, arguments.scale))


def given(arguments: argparse.Namespace) -> dict[str, Any]:
    """The values of a command's arguments by name."""
    return {key: value for key, value in vars(arguments).items() if key not in ("verb", "command")}


def check_folders(values: dict[str, Any], **expected: str) -> None:
    """Refuse an argument that names no folder.

    Args:
        values: of arguments by name; None where one was not given.
        expected: what the folder of each is, for the message.

    Raises:
        DataError: a file, or nothing there.
    """
    for name, words in expected.items():
        folder = values.get(name)
        if folder is not None and not folder.is_dir():
            got = "is a file" if folder.exists() else "no such folder"
            raise DataError(f"--{name}: {folder}: {got}; expected {words}")
