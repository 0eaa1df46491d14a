"""The command line: one verb a rule. Every rule's shell line can be pasted into a terminal.

Exit codes: 0 done, 2 settings or command line, 3 data, 4 numerical, 5 resources, 1 anything unforeseen.
"""

import argparse
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import NamedTuple

from pqgan.errors import DataError, PqganError, SettingsError
from pqgan.plan import Plan
from pqgan.settings import load


class Verb(NamedTuple):
    """A command that makes one result of the plan."""

    chapter: str
    name_help: str
    run: str
    """module:function; imported only when the verb runs, because start-up is part of a rule's cost."""
    inputs: tuple[str, ...]
    """Names of inputs; `x?` may be left out, `x=` takes role=folder pairs."""
    help: str


VERBS = {
    "prepare-data": Verb("data", "set", "pqgan.data.prepare:run", (), "cut a prepared set from raw images"),
    "train-tokenizer": Verb(
        "tokenizer", "configuration", "pqgan.tokenizer.train:run", ("data",), "train a tokenizer from scratch"
    ),
    "evaluate-tokenizer": Verb(
        "evaluate",
        "configuration",
        "pqgan.evaluate.reconstruction:run",
        ("model", "sets="),
        "reconstruct sets of images and measure",
    ),
    "evaluate-finetuned": Verb(
        "evaluate_finetuned",
        "selected-fF or finetuned-fF",
        "pqgan.evaluate.reconstruction:run",
        ("model", "sets="),
        "measure a tokenizer at the high resolution, before or after fine-tuning",
    ),
    "select-tokenizer": Verb("select", "fF", "pqgan.tokenizer.select:run", (), "choose the best tokenizer of a factor"),
    "finetune-tokenizer": Verb(
        "finetune", "fF", "pqgan.tokenizer.train:run_finetune", ("model", "data"), "fine-tune at a higher resolution"
    ),
    "make-backbone": Verb(
        "backbone", "backbone", "pqgan.diffusion.backbone:run", (), "create or fetch the Stable Diffusion to adapt"
    ),
    "adapt": Verb(
        "adapt",
        "VARIANT-stage1 or VARIANT-stage2",
        "pqgan.diffusion.adapt:run",
        ("unet", "backbone", "tokenizer", "data"),
        "one stage of the adaptation to new latents",
    ),
    "sample": Verb(
        "samples", "variant", "pqgan.diffusion.sample:run", ("unet", "backbone", "tokenizer"), "sample the prompts"
    ),
    "train-ldm": Verb(
        "ldm", "latent", "pqgan.diffusion.ldm:run", ("tokenizer", "data"), "train a latent diffusion model from scratch"
    ),
    "evaluate-generation": Verb(
        "generation",
        "latent",
        "pqgan.evaluate.generation:run",
        ("model", "tokenizer", "reference"),
        "sample a latent diffusion model and measure gFID",
    ),
    "bench-sampling": Verb(
        "speed",
        "generator",
        "pqgan.evaluate.speed:run",
        ("backbone", "unet?", "tokenizer?"),
        "measure sampling speed and memory",
    ),
    "bench-matching": Verb(
        "matching", "matching", "pqgan.evaluate.matching:run", (), "measure what the quantiser adds to a reconstruction"
    ),
}


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
    for name, verb in VERBS.items():
        sub = verbs.add_parser(name, parents=[common], help=verb.help, description=verb.help)
        sub.add_argument("name", help=verb.name_help)
        for given in verb.inputs:
            _add_input(sub, given)
        sub.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="folder of the result")
        sub.set_defaults(command=_make)
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


def _load(arguments: argparse.Namespace) -> Plan:
    return Plan(load(arguments.params, arguments.scale))


def _function(reference: str) -> Callable[..., None]:
    module, _, function = reference.partition(":")
    return getattr(import_module(module), function)


def _make(arguments: argparse.Namespace) -> None:
    verb = VERBS[arguments.verb]
    plan = _load(arguments)
    job = plan.job(verb.chapter, arguments.name)
    planned = Path(job.path)
    # a job queued before an edit of params.yaml would otherwise write new settings' results to the old address
    if arguments.out.parent == planned.parent and arguments.out != planned:
        raise SettingsError(
            f"--out: got {arguments.out}, but with {arguments.params} as it is now {job.name!r} belongs in {planned}; "
            "plan the run again"
        )
    inputs = {}
    for given in verb.inputs:
        name = given.rstrip("?=")
        value = getattr(arguments, name)
        inputs[name] = dict(value) if given.endswith("=") else value
        folders = inputs[name].values() if given.endswith("=") else [value]
        for folder in folders:
            if folder is not None and not folder.is_dir():
                raise DataError(f"--{name}: {folder}: no such folder; expected the result of an earlier command")
    _function(verb.run)(plan.settings, job, **inputs, out=arguments.out)


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
    try:
        arguments.command(arguments)
    except PqganError as error:
        print(f"pqgan {arguments.verb}: {error}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
