"""The table of the workflow: every chapter, its jobs, and all that it waits for."""

import pytest

from pqgan.plan import Plan
from pqgan.report import chapter_table, contents
from pqgan.settings import load


@pytest.fixture(scope="module", params=["smoke", "mini", "mini-best", "paper"])
def plan(request, params_path) -> Plan:
    return Plan(load(params_path, request.param))


def test_every_chapter_has_a_row_with_its_jobs(plan):
    expected = {job.chapter: len(plan.chapter(job.chapter)) for job in plan.all()}
    # every item, the page, and the summary of the tables
    expected["report"] = len(contents.ITEMS) + 2
    found = chapter_table.rows(plan)
    assert {row.name: row.jobs for row in found} == expected
    assert len(found) == len(expected)
    assert found[-1].name == "report"


def test_rows_say_all_that_waits_and_nothing_twice(plan):
    before: dict[str, set[str]] = {}
    for row in chapter_table.rows(plan):
        # each comes after what it waits for, or there would be no such key
        indirect = set().union(*(before[name] for name in row.waits_for))
        assert not indirect & set(row.waits_for)
        before[row.name] = indirect | set(row.waits_for)
    for job in plan.all():
        assert {used.chapter for used in job.inputs.values()} - {job.chapter} <= before[job.chapter]
    shown = {job.chapter for item in contents.ITEMS for job in contents.inputs(plan, item)}
    assert shown <= before["report"]


def test_a_row_by_hand(params_path):
    found = {row.name: row for row in chapter_table.rows(Plan(load(params_path, "smoke")))}
    assert found["data"].waits_for == []
    assert found["tokenizer"].waits_for == ["data"]
