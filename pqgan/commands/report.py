"""Commands that read results: render, collect, report, times, summary."""

import argparse
from pathlib import Path

from .call import Verbs, check_folders, function, given, load_plan


def add(verbs: Verbs, common: argparse.ArgumentParser) -> None:
    """Add render, collect, report, times and summary."""
    _add_render(verbs, common)
    _add_collect(verbs, common)
    sub = verbs.add_parser("report", parents=[common], help="write the HTML report from rendered tables and figures")
    sub.add_argument("--items", type=Path, required=True, metavar="FOLDER", help="folder of tables and figures")
    sub.add_argument("--benchmarks", type=Path, metavar="FOLDER", help="Snakemake's benchmark files")
    sub.add_argument("--out", type=Path, required=True, metavar="FILE")
    sub.set_defaults(command=_report)
    sub = verbs.add_parser("times", parents=[common], help="say where the time of a run went")
    sub.add_argument("--benchmarks", type=Path, required=True, metavar="FOLDER", help="Snakemake's benchmark files")
    sub.set_defaults(command=_times)
    sub = verbs.add_parser("summary", help="collect the measured numbers of rendered tables, for dvc metrics")
    sub.add_argument("tables", type=Path, nargs="+", metavar="FILE", help="their .json files")
    sub.add_argument("--out", type=Path, required=True, metavar="FILE", help="a .json file")
    sub.set_defaults(command=_summary)


def _add_render(verbs: Verbs, common: argparse.ArgumentParser) -> None:
    sub = verbs.add_parser("render", parents=[common], help="write a table or figure from results")
    sub.add_argument("name", help="table1 ... table5, figure1 ... figure10")
    _add_collected(sub)
    sub.add_argument("--out", type=Path, required=True, metavar="FILE", help="a .tex or .pdf file")
    sub.set_defaults(command=_render)


def _add_collect(verbs: Verbs, common: argparse.ArgumentParser) -> None:
    what = "render tables and figures into a folder of their own, with every number behind them"
    sub = verbs.add_parser("collect", parents=[common], help=what, description=what)
    sub.add_argument(
        "items", nargs="+", metavar="ITEM", help="table_claims, table1, figure3, ...: those without images"
    )
    _add_collected(sub)
    sub.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="folder to make, or to replace")
    sub.set_defaults(command=_collect)


def _add_collected(sub: argparse.ArgumentParser) -> None:
    sub.add_argument(
        "--results", type=Path, metavar="FOLDER", help="results/ of a collected report (default: those of the plan)"
    )


def _render(arguments: argparse.Namespace) -> None:
    plan = load_plan(arguments)
    function("pqgan.report.render:run")(plan.settings, plan, arguments.name, arguments.out, arguments.results)


def _collect(arguments: argparse.Namespace) -> None:
    plan = load_plan(arguments)
    check_folders(given(arguments), results="results/ of a collected report")
    function("pqgan.report.collect:run")(plan.settings, plan, arguments.items, arguments.out, arguments.results)


def _report(arguments: argparse.Namespace) -> None:
    plan = load_plan(arguments)
    function("pqgan.report.page:run")(plan.settings, plan, arguments.items, arguments.benchmarks, arguments.out)


def _times(arguments: argparse.Namespace) -> None:
    print(function("pqgan.report.times:show")(load_plan(arguments), arguments.benchmarks))


def _summary(arguments: argparse.Namespace) -> None:
    function("pqgan.report.summary:run")(arguments.tables, arguments.out)
