"""What each item reads."""

import pytest

from pqgan.errors import SettingsError
from pqgan.plan import Plan
from pqgan.report import contents
from pqgan.settings import load


@pytest.fixture(scope="module")
def plan(smoke) -> Plan:
    return Plan(smoke)


def names(plan: Plan, item: str, chapter: str) -> set[str]:
    return {job.name for job in contents.inputs(plan, item) if job.chapter == chapter}


def test_items_are_the_papers_in_order():
    expected = [f"table{n}" for n in range(1, 6)] + [f"figure{n}" for n in range(1, 11)]
    assert [*contents.ITEMS] == ["table_claims", *expected, "figure_ldm"]
    labels = [contents.label(item) for item in contents.ITEMS]
    assert labels == [
        "Claims",
        *(f"Table {n}" for n in range(1, 6)),
        *(f"Figure {n}" for n in range(1, 11)),
        "Extra figure",
    ]


def test_every_item_has_inputs_of_the_plan_once(plan):
    planned = {job.path for job in plan.all()}
    for item in contents.ITEMS:
        paths = [job.path for job in contents.inputs(plan, item)]
        assert len(paths) == len(set(paths)), item
        assert set(paths) <= planned, item


def test_unknown_item_names_the_allowed_ones(plan):
    with pytest.raises(SettingsError, match=r"'table9'; allowed: table_claims, table1"):
        contents.inputs(plan, "table9")


@pytest.mark.parametrize(
    "scale", ["smoke", "mini", "mini-cpu", "mini-cpu-long", "mini-cpu-upkeep", "mini-best", "paper"]
)
def test_table1_reads_every_evaluation_of_the_sweep(params_path, scale):
    plan = Plan(load(params_path, scale))
    assert names(plan, "table1", "evaluate") == {*plan.settings.scale.tokenizer.designs, *plan.chapter("published")}
    assert names(plan, "table1", "select") == {"f8", "f16"}


def test_a_named_selection_needs_no_other_evaluation(params_path):
    plan = Plan(load(params_path, "paper"))
    chosen = {"kl-f8-d4", "f8-d128-S64-K512", "f16-d128-S64-K128"}
    assert names(plan, "table2", "evaluate") == chosen | set(plan.chapter("published"))
    assert names(plan, "figure1", "evaluate") == chosen


def test_a_measured_selection_reads_its_candidates(plan):
    swept = plan.settings.scale.tokenizer.configs
    candidates = {name for name, config in swept.items() if config.kind == "pq" and config.F in (8, 16)}
    assert names(plan, "table2", "evaluate") == candidates | {"kl-f8-d4"}


def test_items_read_nothing_but_their_chapters(plan):
    chapters = {item: {job.chapter for job in contents.inputs(plan, item)} for item in contents.ITEMS}
    assert chapters["table_claims"] == {"select", "evaluate", "matching"}
    assert chapters["table3"] == {"speed"}
    assert chapters["table4"] == {"select", "finetune", "adapt"}
    assert chapters["table5"] == {"generation", "select", "evaluate"}
    assert chapters["figure2"] == set()
    assert chapters["figure3"] == chapters["figure6"] == {"evaluate"}
    assert chapters["figure5"] == {"matching"}
    assert chapters["figure7"] == {"evaluate_finetuned"}
    assert names(plan, "figure4", "samples") == {"PQSD-Precise", "PQSD-Quick", "PQSD-HR"}
    assert [names(plan, f"figure{n}", "samples") for n in (8, 9, 10)] == [
        {"PQSD-Precise"},
        {"PQSD-Quick"},
        {"PQSD-HR"},
    ]


def test_sweep_figures_leave_baselines_and_lone_factors_out(plan):
    read = names(plan, "figure3", "evaluate")
    assert "kl-f8-d4" not in read
    assert not any(name.startswith(("f32", "vqgan")) for name in read)
    assert contents.compared_factors(plan) == [8, 16]
