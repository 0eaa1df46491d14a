"""The command line: one verb a rule. Every rule's shell line can be pasted into a terminal.

Exit codes: 0 done, 2 settings or command line, 3 data, 4 numerical, 5 resources, 75 a training stopped on request and
saved, 143 any other command ended by SIGTERM (129 by SIGHUP), 141 nobody reads what it prints any longer, 1 anything
unforeseen.
"""

import argparse
import signal
import sys
from pathlib import Path
from typing import Any

from pqgan import making
from pqgan.argument_types import Parser
from pqgan.arguments import (
    add_bench_evaluation,
    add_bench_generators,
    add_bench_matching,
    add_bench_train,
    add_codes,
    add_collect,
    add_cost,
    add_evaluate,
    add_export,
    add_render,
    add_verify,
)
from pqgan.engine.stop import is_ignored
from pqgan.errors import DataError, PqganError, ResourceError, one_line, told
from pqgan.plan import Plan
from pqgan.settings import load
from pqgan.storage.outputs import check_folder
from pqgan.streams import is_unread, quiet_when_unread
from pqgan.verbs import VERBS, function


def _pair(text: str) -> tuple[str, Path]:
    role, _, folder = text.partition("=")
    if not folder:
        raise argparse.ArgumentTypeError(f"got {text!r}; expected role=folder, for example val=data/prepared/smoke/val")
    return role, Path(folder)


def _add_input(parser: argparse.ArgumentParser, name: str) -> None:
    if name.endswith("="):
        parser.add_argument(f"--{name[:-1]}", nargs="+", type=_pair, required=True, metavar="ROLE=FOLDER")
    elif name.endswith("?"):
        parser.add_argument(f"--{name[:-1]}", type=Path, metavar="FOLDER")
    else:
        parser.add_argument(f"--{name}", type=Path, required=True, metavar="FOLDER")


def _parser() -> argparse.ArgumentParser:
    parser = Parser("pqgan", description="Product-quantised tokenizers, from raw images to tables.")
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--params", type=Path, default=Path("params.yaml"), help="settings file (default: params.yaml)")
    common.add_argument("--scale", help="scale to run (default: the file's own)")
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    bench = verbs.add_parser("bench", help="measure speed: train, sampling, generators, matching, evaluation")
    benches = bench.add_subparsers(dest="bench", required=True, metavar="WHAT")
    for name, verb in VERBS.items():
        group, _, word = name.rpartition(" ")
        sub = (benches if group else verbs).add_parser(word, parents=[common], help=verb.help, description=verb.help)
        sub.add_argument("name", help=verb.name_help)
        for given in verb.inputs:
            _add_input(sub, given)
        sub.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="folder of the result")
        if verb.trains:
            sub.add_argument(
                "--run", type=Path, metavar="FOLDER", help="folder of checkpoints and log (default: runs/SCALE/...)"
            )
        sub.set_defaults(command=_make, verb=name)
    add_bench_train(benches, common).set_defaults(command=_bench_train, verb="bench train")
    add_bench_matching(benches, common).set_defaults(command=_bench_matching, verb="bench matching")
    add_bench_evaluation(benches, common).set_defaults(command=_bench_evaluation, verb="bench evaluation")
    add_bench_generators(benches, common).set_defaults(command=_bench_generators, verb="bench generators")
    for sub in add_codes(verbs):
        sub.set_defaults(command=_codes)
    add_export(verbs).set_defaults(command=_export)
    add_evaluate(verbs).set_defaults(command=_evaluate)
    add_render(verbs, common).set_defaults(command=_render)
    add_collect(verbs, common).set_defaults(command=_collect)
    sub = verbs.add_parser("report", parents=[common], help="write the HTML report from rendered tables and figures")
    sub.add_argument("--items", type=Path, required=True, metavar="FOLDER", help="folder of tables and figures")
    sub.add_argument("--benchmarks", type=Path, metavar="FOLDER", help="Snakemake's benchmark files")
    sub.add_argument("--out", type=Path, required=True, metavar="FILE")
    sub.set_defaults(command=_report)
    sub = verbs.add_parser("times", parents=[common], help="say where the time of a run went")
    sub.add_argument("--benchmarks", type=Path, required=True, metavar="FOLDER", help="Snakemake's benchmark files")
    sub.set_defaults(command=_times)
    add_cost(verbs, common).set_defaults(command=_cost)
    sub = verbs.add_parser("plan", parents=[common], help="list every result of a scale with its address")
    sub.set_defaults(command=_plan)
    sub = verbs.add_parser("summary", help="collect the measured numbers of rendered tables, for dvc metrics")
    sub.add_argument("tables", type=Path, nargs="+", metavar="FILE", help="their .json files")
    sub.add_argument("--out", type=Path, required=True, metavar="FILE", help="a .json file")
    sub.set_defaults(command=_summary)
    add_verify(verbs, common).set_defaults(command=_verify)
    return parser


def _load(arguments: argparse.Namespace) -> Plan:
    return Plan(load(arguments.params, arguments.scale))


def _make(arguments: argparse.Namespace) -> None:
    making.make(VERBS[arguments.verb], _load(arguments), arguments)


def _bench_matching(arguments: argparse.Namespace) -> None:
    given = {key: getattr(arguments, key) for key in ("threads", "positions", "cases", "reconstructions")}
    plan = Plan(function("pqgan.benches:changed")(load(arguments.params, arguments.scale), **given))
    job = plan.job("matching", arguments.name)
    arguments.out = arguments.out or Path(job.path)
    making.check_address(arguments, job)
    check_folder(arguments.out, job.chapter)
    function("pqgan.benches:matching")(plan.settings, job, out=arguments.out, figure=arguments.figure)


def _bench_train(arguments: argparse.Namespace) -> None:
    hardware = {key: getattr(arguments, key) for key in ("compile", "channels_last", "cpus", "workers")}
    function("pqgan.tokenizer.bench:run")(
        load(arguments.params, arguments.scale),
        arguments.names,
        steps=arguments.steps,
        reference=arguments.reference,
        data=arguments.data,
        out=arguments.out,
        precision=arguments.precision,
        hardware={key: value for key, value in hardware.items() if value is not None},
    )


def _bench_evaluation(arguments: argparse.Namespace) -> None:
    given = {key: getattr(arguments, key) for key in ("images", "repeats", "out")}
    settings = load(arguments.params, arguments.scale)
    function("pqgan.evaluate.bench:run")(settings, arguments.name, **given)


def _bench_generators(arguments: argparse.Namespace) -> None:
    settings = load(arguments.params, arguments.scale)
    function("pqgan.benches:generators")(settings, arguments.names, out=arguments.out)


def _codes(arguments: argparse.Namespace) -> None:
    given = _given(arguments)
    _check_folders(given, model="a trained tokenizer's", images="one of images")
    function(f"pqgan.tokenizer.folders:{arguments.verb}")(**given)


def _export(arguments: argparse.Namespace) -> None:
    given = _given(arguments)
    _check_folders(given, model="a trained tokenizer's")
    function("pqgan.tokenizer.export:export")(**given)


def _evaluate(arguments: argparse.Namespace) -> None:
    given = _given(arguments)
    _check_folders(given, images="one of images", generated="one of images")
    function("pqgan.evaluate.command:evaluate")(**given)


def _given(arguments: argparse.Namespace) -> dict[str, Any]:
    return {key: value for key, value in vars(arguments).items() if key not in ("verb", "command")}


def _check_folders(given: dict[str, Any], **expected: str) -> None:
    for name, words in expected.items():
        folder = given.get(name)
        if folder is not None and not folder.is_dir():
            got = "is a file" if folder.exists() else "no such folder"
            raise DataError(f"--{name}: {folder}: {got}; expected {words}")


def _render(arguments: argparse.Namespace) -> None:
    plan = _load(arguments)
    function("pqgan.report.render:run")(plan.settings, plan, arguments.name, arguments.out, arguments.results)


def _collect(arguments: argparse.Namespace) -> None:
    plan = _load(arguments)
    _check_folders(_given(arguments), results="results/ of a collected report")
    function("pqgan.report.collect:run")(plan.settings, plan, arguments.items, arguments.out, arguments.results)


def _report(arguments: argparse.Namespace) -> None:
    plan = _load(arguments)
    function("pqgan.report.page:run")(plan.settings, plan, arguments.items, arguments.benchmarks, arguments.out)


def _times(arguments: argparse.Namespace) -> None:
    print(function("pqgan.report.times:show")(_load(arguments), arguments.benchmarks))


def _cost(arguments: argparse.Namespace) -> None:
    plan, file = _load(arguments), arguments.operations
    if arguments.count:
        function("pqgan.counting:run")(plan, file)
    told = {key: dict(getattr(arguments, key)) for key in ("gpus", "peaks", "images")}
    told |= {key: getattr(arguments, key) for key in ("utilisation", "price")}
    print(function("pqgan.report.cost:show")(plan, file, **told))


def _plan(arguments: argparse.Namespace) -> None:
    for job in _load(arguments).all():
        print(f"{job.chapter:12} {job.name:32} {job.path}")


def _summary(arguments: argparse.Namespace) -> None:
    function("pqgan.summary:run")(arguments.tables, arguments.out)


def _verify(arguments: argparse.Namespace) -> None:
    function("pqgan.verify:run")(_load(arguments), arguments.chapters)


@quiet_when_unread
def main(argv: list[str] | None = None) -> int:
    """Run one verb; errors a user can act on end in one line on stderr and their exit code."""
    arguments = _parser().parse_args(argv)
    # as an exception, so that half-made folders are removed; a training has its own way to stop
    for number in (signal.SIGTERM, signal.SIGHUP):
        if number == signal.SIGTERM or not is_ignored(number):  # as nohup has it
            signal.signal(number, lambda number, _: sys.exit(128 + number))
    try:
        arguments.command(arguments)
        sys.stdout.flush()  # here, where a full disk is told in one line
    except PqganError as error:
        print(f"pqgan {arguments.verb}: {one_line(str(error))}", file=sys.stderr)
        return error.exit_code
    except OSError as error:  # of the machine, whichever it is
        if isinstance(error, BrokenPipeError) and is_unread():
            raise  # nobody is there to be told
        print(f"pqgan {arguments.verb}: {one_line(told(error))}", file=sys.stderr)
        return ResourceError.exit_code
    except KeyboardInterrupt:
        print(f"pqgan {arguments.verb}: interrupted", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
