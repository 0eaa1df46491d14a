"""The workflow as a table: every chapter, its number of jobs, and the chapters whose results it waits for."""

from collections import Counter
from graphlib import TopologicalSorter
from typing import NamedTuple

from pqgan.chapters import REPORT
from pqgan.plan import Plan

from . import contents


class Row(NamedTuple):
    """A chapter of the plan, or the report, which waits for all of them."""

    name: str
    jobs: int
    waits_for: list[str]
    """Chapters that it reads from, but for those that another of them waits for anyway."""


def rows(plan: Plan) -> list[Row]:
    """Every chapter after those that it waits for; the report comes last."""
    jobs = Counter(job.chapter for job in plan.all())
    reads: dict[str, set[str]] = {name: set() for name in jobs}
    for job in plan.all():
        reads[job.chapter] |= {used.chapter for used in job.inputs.values()} - {job.chapter}
    order = [*TopologicalSorter({name: sorted(read) for name, read in reads.items()}).static_order(), REPORT]
    items = contents.items(plan)
    jobs[REPORT] = len(items) + 2  # the page itself and the summary of the tables
    reads[REPORT] = {job.chapter for item in items for job in contents.inputs(plan, item)}
    before: dict[str, set[str]] = {}
    for name in order:
        before[name] = reads[name].union(*(before[read] for read in reads[name]))
    direct = {name: reads[name] - set().union(*(before[read] for read in reads[name])) for name in order}
    return [Row(name, jobs[name], [read for read in order if read in direct[name]]) for name in order]
