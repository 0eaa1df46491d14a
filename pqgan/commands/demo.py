"""The command of the page: demo."""

import argparse
from functools import partial
from pathlib import Path

from . import types
from .call import Verbs, function, given
from .images import SIDE, add_device

PORTS = partial(types.count, most=2**16 - 1, why="there are no higher ports")


def add(verbs: Verbs) -> None:
    """Add demo."""
    what = "a page on which a picture goes through the tokenizers at hand (pip install '.[demo]')"
    sub = verbs.add_parser("demo", help=what, description=what)
    sub.add_argument("--models", type=Path, metavar="FOLDER", help="of folders of trained tokenizers (default: models)")
    sub.add_argument(
        "--model", action="append", metavar="MODEL", help="one more, as of pqgan evaluate; may be given again"
    )
    sub.add_argument("--host", metavar="ADDRESS", help="to listen on (default: 127.0.0.1, this machine alone)")
    sub.add_argument("--port", type=PORTS, metavar="N", help="of it; 0: any that is free (default: 7860)")
    sub.add_argument(
        "--side", type=SIDE, metavar="N", help="pictures with a longer one are made smaller (default: 1024)"
    )
    add_device(sub)
    sub.set_defaults(command=_demo)


def _demo(arguments: argparse.Namespace) -> None:
    values = {key: value for key, value in given(arguments).items() if value is not None}
    function("pqgan.demo.serve:demo")(**values)
