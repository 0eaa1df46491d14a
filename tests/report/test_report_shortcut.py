"""A linear path around the trunk is no part of the paper: all that shows a tokenizer with one says so."""

import json

import pytest
import yaml

from pqgan.plan import Plan
from pqgan.report import contents, wording
from pqgan.settings import load

SAYS = "with a linear path around the trunk, which is no part of the paper."


@pytest.fixture(scope="module")
def settings(params_path, tmp_path_factory):
    raw = yaml.safe_load(params_path.read_text())
    raw["scales"]["smoke"]["tokenizer"]["trunks"][8]["shortcut"] = "linear"
    path = tmp_path_factory.mktemp("shortcut") / "params.yaml"
    path.write_text(yaml.safe_dump(raw, sort_keys=False))
    return load(path, "smoke")


def test_tokenizers_are_told_by_what_results_are_made_from(smoke, settings):
    plan = Plan(settings)
    for chapter, name, expected in (
        ("tokenizer", "f8-d16-S8-K64", [8]),
        ("tokenizer", "f8-d16-S1-K64", [8]),
        ("evaluate", "f8-d16-S8-K64", [8]),
        ("evaluate", "f16-d16-S8-K64", []),
        ("evaluate", "kl-f8-d4", []),  # on the trunk alone
        ("evaluate", "linear-f8-d64-S32-K256", []),
        ("evaluate_finetuned", "finetuned-f8", [8]),
        ("evaluate_finetuned", "finetuned-f16", []),
        ("samples", "PQSD-Precise", [8]),
        ("samples", "PQSD-Quick", []),
        ("generation", "pqgan-f8", [8]),
        ("generation", "vae", []),
    ):
        assert contents.shortcuts([plan.job(chapter, name)]) == expected, name
    assert contents.shortcuts(Plan(smoke).all()) == []


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


def test_the_small_print_inside_a_figure_says_so_too(smoke, settings):
    assert wording.footer(settings).endswith("with a linear path around the trunk: not in the paper")
    assert "linear" not in wording.footer(smoke)
    assert wording.shortcut([]) == ""
    assert wording.shortcut([8, 16]).startswith("Product-quantised tokenizers of F=8 and F=16: with a linear path")
