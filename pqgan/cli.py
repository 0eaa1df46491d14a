"""The command line: one verb a rule. Every rule's shell line can be pasted into a terminal.

Exit codes: 0 done, 2 settings or command line, 3 data, 4 numerical, 5 resources, 75 a training stopped on request and
saved, 143 any other command ended by SIGTERM, 1 anything unforeseen.
"""

import argparse
import signal
import sys
from collections.abc import Callable
from functools import partial
from importlib import import_module
from pathlib import Path

from pqgan.errors import NO_ROOM, DataError, PqganError, ResourceError, SettingsError
from pqgan.plan import Job, Plan
from pqgan.settings import load
from pqgan.settings.evaluation import SearchCase
from pqgan.verbs import VERBS


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
    parser = argparse.ArgumentParser("pqgan", description="Product-quantised tokenizers, from raw images to tables.")
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--params", type=Path, default=Path("params.yaml"), help="settings file (default: params.yaml)")
    common.add_argument("--scale", help="scale to run (default: the file's own)")
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    bench = verbs.add_parser("bench", help="measure speed: train, sampling, matching")
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
    _add_bench_train(benches, common)
    _add_bench_matching(benches, common)
    _add_codes(verbs)
    sub = verbs.add_parser("render", parents=[common], help="write a table or figure from results")
    sub.add_argument("name", help="table1 ... table5, figure1 ... figure10")
    sub.add_argument("--out", type=Path, required=True, metavar="FILE", help="a .tex or .pdf file")
    sub.set_defaults(command=_render)
    sub = verbs.add_parser("report", parents=[common], help="write the HTML report from rendered tables and figures")
    sub.add_argument("--items", type=Path, required=True, metavar="FOLDER", help="folder of tables and figures")
    sub.add_argument("--benchmarks", type=Path, metavar="FOLDER", help="Snakemake's benchmark files")
    sub.add_argument("--out", type=Path, required=True, metavar="FILE")
    sub.set_defaults(command=_report)
    sub = verbs.add_parser("times", parents=[common], help="say where the time of a run went")
    sub.add_argument("--benchmarks", type=Path, required=True, metavar="FOLDER", help="Snakemake's benchmark files")
    sub.set_defaults(command=_times)
    sub = verbs.add_parser("plan", parents=[common], help="list every result of a scale with its address")
    sub.set_defaults(command=_plan)
    return parser


def _add_bench_train(benches: "argparse._SubParsersAction", common: argparse.ArgumentParser) -> None:
    what = "measure tokenizer training beside a plain reference step"
    sub = benches.add_parser("train", parents=[common], help=what, description=what)
    sub.add_argument("names", nargs="*", metavar="NAME", help="configurations (default: the first of every F)")
    sub.add_argument("--steps", type=_positive, default=20, metavar="N", help="steps that are timed (default: 20)")
    sub.add_argument("--data", type=Path, metavar="FOLDER", help="prepared training set (default: random images)")
    sub.add_argument("--out", type=Path, metavar="FILE", help="a .json file for all figures")
    yes_or_no = argparse.BooleanOptionalAction
    sub.add_argument("--reference", action=yes_or_no, default=True, help="whether the plain step runs too")
    sub.add_argument("--compile", action=yes_or_no, help="instead of hardware.compile")
    sub.add_argument("--channels-last", action=yes_or_no, help="instead of hardware.channels_last")
    sub.add_argument("--cpus", type=_positive, metavar="N", help="instead of hardware.cpus")
    sub.add_argument("--workers", type=_count, metavar="N", help="instead of hardware.workers")
    sub.add_argument("--precision", choices=("32-true", "bf16-mixed"), help="instead of the reading's")
    sub.set_defaults(command=_bench_train, verb="bench train")


def _add_bench_matching(benches: "argparse._SubParsersAction", common: argparse.ArgumentParser) -> None:
    what = "measure what the quantiser adds to a reconstruction, and its search beside other libraries (Figure 5)"
    sub = benches.add_parser("matching", parents=[common], help=what, description=what)
    sub.add_argument("name", nargs="?", default="matching", help="matching, which is the default")
    sub.add_argument("--out", type=Path, metavar="FOLDER", help="folder of the result (default: results/SCALE/...)")
    sub.add_argument("--threads", type=_positive, metavar="N", help="instead of hardware.cpus")
    sub.add_argument(
        "--case", dest="cases", action="append", type=_case, metavar="d,S,K", help="search (default: the scale's)"
    )
    sub.add_argument("--positions", type=_positive, metavar="N", help="of a search (default: the scale's)")
    yes_or_no = argparse.BooleanOptionalAction
    sub.add_argument("--reconstructions", action=yes_or_no, default=True, help="whether whole networks are timed too")
    sub.add_argument("--figure", action=yes_or_no, default=True, help="whether Figure 5 is drawn beside the numbers")
    sub.set_defaults(command=_bench_matching, verb="bench matching")


def _add_codes(verbs: "argparse._SubParsersAction") -> None:
    what = "turn a folder of images into a code file with a trained tokenizer"
    encode = verbs.add_parser("encode", help=what, description=what)
    what = "turn a code file back into images with the tokenizer that made it"
    decode = verbs.add_parser("decode", help=what, description=what)
    for sub in (encode, decode):
        sub.add_argument("--model", type=Path, required=True, metavar="FOLDER", help="trained tokenizer")
    encode.add_argument("--images", type=Path, required=True, metavar="FOLDER", help="images, in folders below it too")
    encode.add_argument("--out", type=Path, required=True, metavar="FILE", help="code file to write (.pqc)")
    encode.add_argument("--size", type=_positive, metavar="N", help="cut squares of N px (default: images as they are)")
    decode.add_argument("--codes", type=Path, required=True, metavar="FILE", help="code file (.pqc)")
    decode.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="folder to make, of PNG files")
    for sub in (encode, decode):
        sub.add_argument("--batch", type=_positive, metavar="N", help="images at a time (default: a megapixel of them)")
        sub.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto", help="where (default: auto)")
        sub.set_defaults(command=_codes)


def _count(text: str, least: int = 0) -> int:
    if not text.isdecimal() or int(text) < least:
        raise argparse.ArgumentTypeError(f"got {text!r}; expected a whole number from {least}")
    return int(text)


_positive = partial(_count, least=1)


def _case(text: str) -> SearchCase:
    try:
        d, S, K = map(int, text.split(","))
        return SearchCase(d=d, S=S, K=K)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"got {text!r}; expected d,S,K where S divides d and K is at least 2, for example 128,64,512"
        ) from None


def _load(arguments: argparse.Namespace) -> Plan:
    return Plan(load(arguments.params, arguments.scale))


def _function(reference: str) -> Callable[..., None]:
    module, _, function = reference.partition(":")
    return getattr(import_module(module), function)


def _make(arguments: argparse.Namespace) -> None:
    verb = VERBS[arguments.verb]
    plan = _load(arguments)
    job = plan.job(verb.chapter, arguments.name)
    _check_address(arguments, job)
    inputs = {}
    for given in verb.inputs:
        name = given.rstrip("?=")
        value = getattr(arguments, name)
        inputs[name] = dict(value) if given.endswith("=") else value
        folders = inputs[name].values() if given.endswith("=") else [value]
        for folder in folders:
            if folder is not None and not folder.is_dir():
                raise DataError(f"--{name}: {folder}: no such folder; expected the result of an earlier command")
    for used in job.inputs.values():
        # a result is safe from its workflow once another job is given it
        if Path(used.run_path, "checkpoints").is_dir() and Path(used.path, "provenance.json").is_file():
            _function("pqgan.engine.run_folder:settle")(Path(used.run_path))
    if verb.trains:
        inputs["run"] = arguments.run or Path(job.run_path)
    _function(verb.run)(plan.settings, job, **inputs, out=arguments.out)


def _check_address(arguments: argparse.Namespace, job: Job) -> None:
    planned = Path(job.path)
    # a job queued before an edit of params.yaml would otherwise write new settings' results to the old address
    if arguments.out.parent == planned.parent and arguments.out != planned:
        raise SettingsError(
            f"--out: got {arguments.out}, but with {arguments.params} as it is now {job.name!r} belongs in {planned}; "
            "plan the run again"
        )


def _bench_matching(arguments: argparse.Namespace) -> None:
    given = {key: getattr(arguments, key) for key in ("threads", "positions", "cases", "reconstructions")}
    plan = Plan(_function("pqgan.benches:changed")(load(arguments.params, arguments.scale), **given))
    job = plan.job("matching", arguments.name)
    arguments.out = arguments.out or Path(job.path)
    _check_address(arguments, job)
    _function("pqgan.benches:matching")(plan.settings, job, out=arguments.out, figure=arguments.figure)


def _bench_train(arguments: argparse.Namespace) -> None:
    hardware = {key: getattr(arguments, key) for key in ("compile", "channels_last", "cpus", "workers")}
    _function("pqgan.tokenizer.bench:run")(
        load(arguments.params, arguments.scale),
        arguments.names,
        steps=arguments.steps,
        reference=arguments.reference,
        data=arguments.data,
        out=arguments.out,
        precision=arguments.precision,
        hardware={key: value for key, value in hardware.items() if value is not None},
    )


def _codes(arguments: argparse.Namespace) -> None:
    given = {key: value for key, value in vars(arguments).items() if key not in ("verb", "command")}
    for name in ("model", "images"):
        if name in given and not given[name].is_dir():
            expected = "a trained tokenizer's" if name == "model" else "one of images"
            raise DataError(f"--{name}: {given[name]}: no such folder; expected {expected}")
    _function(f"pqgan.tokenizer.folders:{arguments.verb}")(**given)


def _render(arguments: argparse.Namespace) -> None:
    plan = _load(arguments)
    _function("pqgan.report.render:run")(plan.settings, plan, arguments.name, arguments.out)


def _report(arguments: argparse.Namespace) -> None:
    plan = _load(arguments)
    _function("pqgan.report.page:run")(plan.settings, plan, arguments.items, arguments.benchmarks, arguments.out)


def _times(arguments: argparse.Namespace) -> None:
    print(_function("pqgan.report.times:show")(_load(arguments), arguments.benchmarks))


def _plan(arguments: argparse.Namespace) -> None:
    for job in _load(arguments).all():
        print(f"{job.chapter:12} {job.name:32} {job.path}")


def main(argv: list[str] | None = None) -> int:
    """Run one verb; errors a user can act on end in one line on stderr and their exit code."""
    arguments = _parser().parse_args(argv)
    # as an exception, so that half-made folders are removed; a training has its own way to stop
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    try:
        arguments.command(arguments)
    except PqganError as error:
        print(f"pqgan {arguments.verb}: {error}", file=sys.stderr)
        return error.exit_code
    except OSError as error:
        if error.errno not in NO_ROOM:
            raise
        print(f"pqgan {arguments.verb}: {error}; free space or raise the limit", file=sys.stderr)
        return ResourceError.exit_code
    except KeyboardInterrupt:
        print(f"pqgan {arguments.verb}: interrupted", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
