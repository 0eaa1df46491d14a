"""`pqgan cost`."""

import argparse
from pathlib import Path

from pqgan.plan import Plan
from pqgan.settings import load

from . import types
from .call import Verbs, function


def add(verbs: Verbs, common: argparse.ArgumentParser) -> None:
    """Add cost."""
    what = "estimate the GPU hours, bytes and money of a scale before anything runs"
    sub = verbs.add_parser("cost", parents=[common], help=what, description=f"{what}: docs/cost.md")
    sub.add_argument("--price", type=types.number, metavar="X", help="of a GPU hour; no money is shown without it")
    sub.add_argument("--utilisation", type=types.percent, metavar="PERCENT", help="of a GPU's peak (default: 40)")
    told = {"action": "append", "default": []}
    sub.add_argument(
        "--gpu",
        dest="gpus",
        type=types.gpu,
        metavar="CHAPTER=NAME",
        help="instead of the paper's (appendix A), say tokenizer=H100",
        **told,
    )
    sub.add_argument(
        "--peak",
        dest="peaks",
        type=types.peak,
        metavar="NAME:KIND=X",
        help="TFLOP/s of a GPU, say L40S:bf16=362",
        **told,
    )
    sub.add_argument("--images", type=types.images, metavar="SET=N", help="images of a prepared set", **told)
    sub.add_argument("--count", action="store_true", help="count operations anew (minutes, no GPU), before all else")
    sub.add_argument("--operations", type=Path, metavar="FILE", help="counted operations (default: the package's)")
    sub.set_defaults(command=_cost)


def _cost(arguments: argparse.Namespace) -> None:
    settings, file = load(arguments.params, arguments.scale), arguments.operations
    plan = Plan(settings, settings.expected_selection)
    if arguments.count:
        function("pqgan.cost.count_operations:run")(plan, file)
    told = {key: dict(getattr(arguments, key)) for key in ("gpus", "peaks", "images")}
    told |= {key: getattr(arguments, key) for key in ("utilisation", "price")}
    print(function("pqgan.cost.estimate:show")(plan, file, **told))
