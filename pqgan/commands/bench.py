"""`pqgan bench`: the benches that are no rule of the plan."""

import argparse
from operator import attrgetter
from pathlib import Path

from pqgan.chapters import CHAPTERS
from pqgan.errors import SettingsError
from pqgan.plan import Plan
from pqgan.settings import Settings, load
from pqgan.storage.outputs import check_folder

from . import make_result, types
from .call import Verbs, function

IMAGES = types.positive(10**5, "all are in memory at once")
POSITIONS = types.positive(2**24, "all are in memory at once")
STEPS = types.positive(10**5, "each is an update of its own")
REPEATS = types.positive(10**4, "each takes its time")


def add(benches: Verbs, common: argparse.ArgumentParser) -> None:
    """Add the benches to those of the plan's rules."""
    for add_one in (_add_train, _add_matching, _add_evaluation, _add_generators):
        add_one(benches, common)


def _add_train(benches: Verbs, common: argparse.ArgumentParser) -> None:
    what = "measure tokenizer training beside a plain reference step"
    sub = benches.add_parser("train", parents=[common], help=what, description=what)
    sub.add_argument("names", nargs="*", metavar="NAME", help="configurations (default: the first of every F)")
    sub.add_argument("--steps", type=STEPS, default=20, metavar="N", help="steps that are timed (default: 20)")
    sub.add_argument("--data", type=Path, metavar="FOLDER", help="prepared training set (default: random images)")
    sub.add_argument("--out", type=Path, metavar="FILE", help="a .json file for all figures")
    yes_or_no = argparse.BooleanOptionalAction
    sub.add_argument("--reference", action=yes_or_no, default=True, help="whether the plain step runs too")
    sub.add_argument("--compile", action=yes_or_no, help="instead of hardware.compile")
    sub.add_argument("--channels-last", action=yes_or_no, help="instead of hardware.channels_last")
    sub.add_argument("--cpus", type=types.beside_each_other(), metavar="N", help="instead of hardware.cpus")
    sub.add_argument("--workers", type=types.beside_each_other(0), metavar="N", help="instead of hardware.workers")
    sub.add_argument("--precision", choices=("32-true", "bf16-mixed"), help="instead of the reading's")
    sub.set_defaults(command=_train, verb="bench train")


def _add_matching(benches: Verbs, common: argparse.ArgumentParser) -> None:
    what = CHAPTERS["matching"].help
    sub = benches.add_parser("matching", parents=[common], help=what, description=what)
    sub.add_argument("name", nargs="?", default="matching", help="matching, which is the default")
    sub.add_argument("--out", type=Path, metavar="FOLDER", help="folder of the result (default: results/SCALE/...)")
    sub.add_argument("--threads", type=types.beside_each_other(), metavar="N", help="instead of hardware.cpus")
    sub.add_argument(
        "--case", dest="cases", action="append", type=types.case, metavar="d,S,K", help="search (default: the scale's)"
    )
    sub.add_argument("--positions", type=POSITIONS, metavar="N", help="of a search (default: the scale's)")
    yes_or_no = argparse.BooleanOptionalAction
    sub.add_argument("--reconstructions", action=yes_or_no, default=True, help="whether whole networks are timed too")
    sub.add_argument("--figure", action=yes_or_no, default=True, help="whether figures are drawn beside the numbers")
    sub.set_defaults(command=_matching, verb="bench matching")


def _add_evaluation(benches: Verbs, common: argparse.ArgumentParser) -> None:
    what = "measure what an evaluation costs beside the networks that it cannot do without"
    sub = benches.add_parser("evaluation", parents=[common], help=what, description=what)
    sub.add_argument("name", nargs="?", metavar="NAME", help="configuration (default: the sweep's first)")
    sub.add_argument("--images", type=IMAGES, metavar="N", help="random images (default: two batches)")
    sub.add_argument("--repeats", type=REPEATS, default=5, metavar="N", help="of each way (default: 5)")
    sub.add_argument("--out", type=Path, metavar="FILE", help="a .json file for the figures")
    sub.set_defaults(command=_evaluation, verb="bench evaluation")


def _add_generators(benches: Verbs, common: argparse.ArgumentParser) -> None:
    what = "measure sampling speed and memory of generators at their real shapes, with untrained weights (Table 3)"
    sub = benches.add_parser("generators", parents=[common], help=what, description=what)
    sub.add_argument("names", nargs="*", metavar="NAME", help="generators (default: all of the scale)")
    sub.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="folder of the result")
    sub.set_defaults(command=_generators, verb="bench generators")


def _settings(arguments: argparse.Namespace, part: str) -> Settings:
    """Settings of the scale that is asked for, which has to have a part.

    Raises:
        SettingsError: the part is null there.
    """
    settings = load(arguments.params, arguments.scale)
    if attrgetter(part)(settings.scale) is None:
        where = f"scales.{settings.name}.{part}"
        raise SettingsError(f"{where}: is null, and it says what to measure; allowed: --scale with one that has it")
    return settings


def _train(arguments: argparse.Namespace) -> None:
    hardware = {key: getattr(arguments, key) for key in ("compile", "channels_last", "cpus", "workers")}
    function("pqgan.bench.training:run")(
        _settings(arguments, "tokenizer.training"),
        arguments.names,
        steps=arguments.steps,
        reference=arguments.reference,
        data=arguments.data,
        out=arguments.out,
        precision=arguments.precision,
        hardware={key: value for key, value in hardware.items() if value is not None},
    )


def _matching(arguments: argparse.Namespace) -> None:
    given = {key: getattr(arguments, key) for key in ("threads", "positions", "cases", "reconstructions")}
    plan = Plan(function("pqgan.bench.full_size:changed")(_settings(arguments, "matching"), **given))
    job = plan.job("matching", arguments.name)
    arguments.out = arguments.out or Path(job.path)
    make_result.check_address(arguments, job)
    check_folder(arguments.out, job.chapter)
    function("pqgan.bench.full_size:matching")(plan.settings, job, out=arguments.out, figure=arguments.figure)


def _evaluation(arguments: argparse.Namespace) -> None:
    given = {key: getattr(arguments, key) for key in ("images", "repeats", "out")}
    function("pqgan.bench.evaluation:run")(_settings(arguments, "tokenizer.training"), arguments.name, **given)


def _generators(arguments: argparse.Namespace) -> None:
    function("pqgan.bench.full_size:generators")(_settings(arguments, "adapt"), arguments.names, out=arguments.out)
