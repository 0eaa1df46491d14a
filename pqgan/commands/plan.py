"""Commands about the plan: plan, verify."""

import argparse

from pqgan.errors import DataError
from pqgan.plan import Plan
from pqgan.settings import load

from .call import Verbs, function, load_plan


def add(verbs: Verbs, common: argparse.ArgumentParser) -> None:
    """Add plan and verify."""
    sub = verbs.add_parser("plan", parents=[common], help="list every result of a scale with its address")
    sub.set_defaults(command=_plan)
    _add_verify(verbs, common)


def _add_verify(verbs: Verbs, common: argparse.ArgumentParser) -> None:
    what = "hash every file of the finished results, and name those that are damaged or missing"
    sub = verbs.add_parser("verify", parents=[common], help=what, description=what)
    sub.add_argument("chapters", nargs="*", metavar="CHAPTER", help="data, reference, tokenizer, ... (default: all)")
    sub.set_defaults(command=_verify)


def _plan(arguments: argparse.Namespace) -> None:
    for job in load_plan(arguments).all():
        after = " and ".join(selection.id for selection in job.awaits)
        print(f"{job.chapter:12} {job.name:32} {f'{job.root}/{job.name}-(after {after})' if after else job.path}")


def _verify(arguments: argparse.Namespace) -> None:
    try:
        plan = load_plan(arguments)
    except DataError:  # a selection, which is then among what is damaged
        plan = Plan(load(arguments.params, arguments.scale))
    function("pqgan.verify:run")(plan, arguments.chapters)
