"""A linear path around the trunk is no part of the paper: all that shows a tokenizer with one says so."""

import json

import pytest
from whole_plan import whole_plan

from pqgan.report import contents, wording
from pqgan.settings import Settings

SAYS = "with a linear path around the trunk, which is no part of the paper."


@pytest.fixture(scope="module")
def settings(plain):
    """With a linear path at F=8 alone."""
    raw = plain.model_dump()
    raw["scale"]["tokenizer"]["trunks"][8]["shortcut"] = "linear"
    return Settings.model_validate(raw)


def test_tokenizers_are_told_by_what_results_are_made_from(plain, settings):
    plan = whole_plan(settings)
    for chapter, name, expected in (
        ("tokenizer", "f8-d16-S8-K64", {8: "linear"}),
        ("tokenizer", "f8-d16-S1-K64", {8: "linear"}),
        ("evaluate", "f8-d16-S8-K64", {8: "linear"}),
        ("evaluate", "f16-d16-S8-K64", {}),
        ("evaluate", "kl-f8-d4", {}),  # on the trunk alone
        ("evaluate", "linear-f8-d64-S32-K256", {}),
        ("evaluate_finetuned", "finetuned-f8", {8: "linear"}),
        ("evaluate_finetuned", "finetuned-f16", {}),
        ("samples", "PQSD-Precise", {8: "linear"}),
        ("samples", "PQSD-Quick", {}),
        ("generation", "pqgan-f8", {8: "linear"}),
        ("generation", "vae", {}),
    ):
        assert contents.shortcuts([plan.job(chapter, name)]) == expected, name
    assert contents.shortcuts(whole_plan(plain).all()) == {}


def test_every_item_that_shows_one_says_so_and_no_other(synthetic, settings, tmp_path):
    changed = type(synthetic)(settings, tmp_path)
    for item in contents.ITEMS:
        out = changed.render(item, tmp_path / "reports")
        caption = json.loads(out.with_suffix(".json").read_text())["caption"]
        factors = contents.shortcuts(contents.inputs(changed.plan, item))
        assert (SAYS in caption) == bool(factors), item
        assert (f"tokenizers of F=8: {SAYS}" in caption) == bool(factors), item
    plan = changed.plan
    lacking = {item for item in contents.ITEMS if not contents.shortcuts(contents.inputs(plan, item))}
    # the bench of matching measures the paper's trunk
    assert lacking == {"figure2", "figure5", "figure9", "figure10", "figure_factors", "figure_peers"}


def test_the_small_print_inside_a_figure_says_so_too(plain, settings):
    assert wording.footer(settings).endswith("with a linear path around the trunk: not in the paper")
    assert "linear" not in wording.footer(plain)
    assert wording.shortcut({}) == ""
    both = wording.shortcut({8: "linear", 16: "linear"})
    assert both.startswith("Product-quantised tokenizers of F=8 and F=16: with a linear path")
    apart = wording.shortcut({8: "linear", 16: "linear_alone"})
    assert apart == (
        "Product-quantised tokenizers of F=8: with a linear path around the trunk, which is no part of the paper. "
        "Product-quantised tokenizers of F=16: with a linear path and its refinement in the trunk's place, which is no "
        "part of the paper."
    )
