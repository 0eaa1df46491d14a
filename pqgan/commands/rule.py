"""The commands of the plan's rules, one for each chapter."""

import argparse
from pathlib import Path

from pqgan.chapters import VERBS

from . import make_result
from .call import Verbs, load_plan


def add(verbs: Verbs, benches: Verbs, common: argparse.ArgumentParser) -> None:
    """Add a command for each chapter; `bench WHAT` to the benches."""
    for name, chapter in VERBS.items():
        group, _, word = name.rpartition(" ")
        sub = (benches if group else verbs).add_parser(
            word, parents=[common], help=chapter.help, description=chapter.help
        )
        sub.add_argument("name", help=chapter.name_help)
        for given in chapter.inputs:
            _add_input(sub, given)
        sub.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="folder of the result")
        if chapter.trains:
            sub.add_argument(
                "--run", type=Path, metavar="FOLDER", help="folder of checkpoints and log (default: runs/SCALE/...)"
            )
        sub.set_defaults(command=_make, verb=name)


def _add_input(parser: argparse.ArgumentParser, name: str) -> None:
    if name.endswith("="):
        parser.add_argument(f"--{name[:-1]}", nargs="+", type=_pair, required=True, metavar="ROLE=FOLDER")
    elif name.endswith("?"):
        parser.add_argument(f"--{name[:-1]}", type=Path, metavar="FOLDER")
    else:
        parser.add_argument(f"--{name}", type=Path, required=True, metavar="FOLDER")


def _pair(text: str) -> tuple[str, Path]:
    role, _, folder = text.partition("=")
    if not folder:
        raise argparse.ArgumentTypeError(f"got {text!r}; expected role=folder, for example val=data/prepared/smoke/val")
    return role, Path(folder)


def _make(arguments: argparse.Namespace) -> None:
    make_result.make(VERBS[arguments.verb], load_plan(arguments), arguments)
