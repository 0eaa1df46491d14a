"""What each item reads."""

import pytest
from whole_plan import whole_plan

from pqgan.errors import SettingsError
from pqgan.plan import Plan
from pqgan.report import contents
from pqgan.settings import load

LINEAR = {8: "linear-f8-d64-S32-K256", 16: "linear-f16-d64-S32-K256"}
"""Of the smoke scale, by F."""


@pytest.fixture(scope="module")
def plan(smoke) -> Plan:
    return whole_plan(smoke)


def names(plan: Plan, item: str, chapter: str) -> set[str]:
    return {job.name for job in contents.inputs(plan, item) if job.chapter == chapter}


def test_items_are_the_papers_in_order():
    expected = [*(f"table{n}" for n in range(1, 6)), "table_sweep", *(f"figure{n}" for n in range(1, 11))]
    extra = ["figure_bits", "figure_factors", "figure_finetuned", "figure_peers", "figure_ldm"]
    assert [*contents.ITEMS] == ["table_claims", *expected, *extra]
    labels = [contents.label(item) for item in contents.ITEMS]
    assert labels == [
        "Claims",
        *(f"Table {n}" for n in range(1, 6)),
        "Extra table",
        *(f"Figure {n}" for n in range(1, 11)),
        *("Extra figure" for _ in extra),
    ]


def test_every_item_has_inputs_of_the_plan_once(plan):
    planned = {job.path for job in plan.all()}
    for item in contents.ITEMS:
        paths = [job.path for job in contents.inputs(plan, item)]
        assert len(paths) == len(set(paths)), item
        assert set(paths) <= planned, item


def test_the_claims_read_every_evaluation_replicates_and_published_ones_too(params_path):
    plan = whole_plan(load(params_path, "mini"))
    for chapter in ("evaluate", "evaluate_finetuned", "generation", "speed"):
        assert names(plan, "table_claims", chapter) == set(plan.chapter(chapter))
    assert {"taesd", "f8-d64-S32-K512-seed1"} <= names(plan, "table_claims", "evaluate")


def test_only_the_claims_may_lack_whole_chapters_and_only_of_a_collection(plan, tmp_path):
    whole = {item: contents.inputs(plan, item) for item in contents.ITEMS}
    for item in contents.ITEMS:
        found = contents.inputs(plan, item, tmp_path)
        lacking = ("evaluate_finetuned", "generation", "speed") if item == "table_claims" else ()
        # and codecs and linear tokenizers, which no run had once
        later = {*plan.settings.scale.evaluation.codecs, *contents.linear(plan)}
        assert found == [job for job in whole[item] if job.chapter not in lacking and job.name not in later], item
    (tmp_path / "evaluate" / "jpeg@3").mkdir(parents=True)
    there = [job.name for job in contents.inputs(plan, "table1", tmp_path) if "@" in job.name]
    assert there == ["jpeg@3"]
    # a chapter that is there must be whole
    (tmp_path / "speed").mkdir()
    found = {job.chapter for job in contents.inputs(plan, "table_claims", tmp_path)}
    assert found == {"select", "evaluate", "matching", "speed"}


def test_unknown_item_names_the_allowed_ones(plan):
    with pytest.raises(SettingsError, match=r"'table9'; allowed: table_claims, table1"):
        contents.inputs(plan, "table9")


@pytest.mark.parametrize(
    "scale", ["smoke", "mini", "mini-cpu", "mini-cpu-long", "mini-cpu-upkeep", "mini-best", "paper"]
)
def test_table1_reads_every_evaluation_of_the_sweep(params_path, scale):
    plan = whole_plan(load(params_path, scale))
    expected = {*plan.settings.scale.tokenizer.designs, *plan.chapter("published")}
    assert names(plan, "table1", "evaluate") == expected | ({"backbone-vae"} if scale == "paper" else set())
    assert names(plan, "table1", "select") == {"f8", "f16"}


def test_a_named_selection_needs_no_other_evaluation(params_path):
    plan = whole_plan(load(params_path, "paper"))
    chosen = {"kl-f8-d4", "kl-f16-d16", "f8-d128-S64-K512", "f16-d128-S64-K128"}
    assert names(plan, "table2", "evaluate") == {
        *chosen,
        *("vqgan-f16-16384", "sdxl-vae", "pqgan-f8", "pqgan-f16"),
        "backbone-vae",
        "f16-d256-S128-K128",
        *(name for name in plan.chapter("evaluate") if name.startswith("linear-")),
    }
    assert names(plan, "figure1", "evaluate_finetuned") == {"backbone-vae", "finetuned-f8", "finetuned-f16"}


def test_a_measured_selection_reads_its_candidates(plan):
    swept = plan.settings.scale.tokenizer.configs
    candidates = {
        name for name, config in swept.items() if config.kind == "pq" and config.F in (8, 16) and config.S > 1
    }
    assert names(plan, "table2", "evaluate") == candidates | {"kl-f8-d4", *LINEAR.values()}


def test_items_read_nothing_but_their_chapters(plan):
    chapters = {item: {job.chapter for job in contents.inputs(plan, item)} for item in contents.ITEMS}
    assert chapters["table_claims"] == {
        "select",
        "evaluate",
        "matching",
        "evaluate_finetuned",
        "generation",
        "speed",
    }
    assert chapters["table3"] == {"speed"}
    assert chapters["table4"] == {"select", "finetune", "adapt"}
    assert chapters["table5"] == {"generation", "select", "evaluate"}
    assert chapters["table_sweep"] == {"evaluate"}
    assert chapters["figure2"] == set()
    assert chapters["figure3"] == chapters["figure6"] == {"evaluate"}
    assert chapters["figure_bits"] == chapters["figure_factors"] == {"evaluate"}
    assert chapters["figure5"] == chapters["figure_peers"] == {"matching"}
    assert chapters["figure1"] == chapters["figure7"] == chapters["figure_finetuned"] == {"evaluate_finetuned"}
    assert names(plan, "figure7", "evaluate_finetuned") == {"backbone-vae", "finetuned-f8", "finetuned-f16"}
    before_and_after = {f"{stage}-f{factor}" for stage in ("selected", "finetuned") for factor in (8, 16)}
    assert names(plan, "figure_finetuned", "evaluate_finetuned") == before_and_after
    assert names(plan, "figure4", "samples") == {"PQSD-Precise", "PQSD-Quick", "PQSD-HR"}
    assert names(plan, "figure8", "samples") == {"PQSD-Precise"}
    assert names(plan, "figure9", "samples") == names(plan, "figure10", "samples") == {"PQSD-HR", "PQSD-Quick"}


def test_the_sweep_reads_every_configuration_but_no_replicate_and_no_baseline(params_path):
    plan = whole_plan(load(params_path, "mini"))
    configs = plan.settings.scale.tokenizer.configs
    expected = {name for name, config in configs.items() if config.kind in ("pq", "linear") and config.seed is None}
    assert names(plan, "table_sweep", "evaluate") == expected
    assert sum(name.startswith("linear-") for name in expected) == 13


def test_what_the_bits_buy_reads_the_sweep_its_baselines_published_models_and_codecs(params_path):
    plan = whole_plan(load(params_path, "mini"))
    expected = {*plan.settings.scale.tokenizer.designs, *plan.chapter("published")}
    assert {"taesd", "jpeg@9", "f8-d64-S32-K512"} <= expected
    assert names(plan, "figure_bits", "evaluate") == expected


def test_sweep_figures_leave_baselines_and_lone_factors_out(plan):
    configs = plan.settings.scale.tokenizer.designs
    of = {F: {name for name, config in configs.items() if (config.kind, config.F) == ("pq", F)} for F in (8, 16)}
    assert names(plan, "figure3", "evaluate") == names(plan, "figure6", "evaluate") == of[8] | {LINEAR[8]}
    assert names(plan, "figure_factors", "evaluate") == of[16] | {LINEAR[16]}
    assert contents.compared_factors(plan) == [8, 16]


def test_every_item_has_a_function_of_its_name_or_is_a_figure_of_samples():
    assert set(contents.MODULES) | set(contents.SAMPLES) == set(contents.ITEMS)
    assert all(callable(contents.maker(item)) for item in contents.MODULES)
