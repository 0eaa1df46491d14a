"""A report of variants, roles, sets, latents and a scale that are called otherwise than in the paper."""

import json
import re

import pytest
import yaml

from pqgan.settings import load

ITEMS = ("table2", "table3", "table4", "table5", "figure4", "figure8", "figure9", "figure10", "figure_ldm")
"""Items that show any of these names."""
RENAMED = {"PQSD-Precise": "Fine", "PQSD-Quick": "My-Quick", "PQSD-HR": "Large+", "Extra": "Extra"}


@pytest.fixture(scope="module")
def renamed(params_path, tmp_path_factory, synthetic) -> dict[str, dict]:
    raw = yaml.safe_load(params_path.read_text())
    scale = raw["scales"]["smoke"]
    variants = scale["adapt"]["variants"]
    variants["Extra"] = variants["PQSD-Quick"]  # a fourth, which the paper does not have
    scale["adapt"]["variants"] = {RENAMED[name]: variant for name, variant in variants.items()}
    scale["ldm"]["latents"] = {f"my.{name}": latent for name, latent in scale["ldm"]["latents"].items()}
    scale["data"]["sets"]["faces"] = scale["data"]["sets"].pop("microscopy")
    scale["evaluation"]["transfer"] = {"People": "faces", "LSUN": "textures"}
    raw |= {"scale": "mine", "scales": {"mine": scale}}
    root = tmp_path_factory.mktemp("renamed")
    (root / "params.yaml").write_text(yaml.safe_dump(raw, sort_keys=False))
    made = type(synthetic)(load(root / "params.yaml"), root, ITEMS)
    for item in ITEMS:
        made.render(item, root)
    return {item: json.loads((root / f"{item}.json").read_text()) for item in ITEMS}


def column(table: dict, key: str) -> list[str]:
    return [row["cells"][key]["text"] for row in table["rows"] if row["source"] == "measured"]


def test_figures_of_samples_go_by_f_and_size_and_not_by_names(renamed):
    """Fine has the smallest F; Large+ the largest samples; a fourth variant is one more of its F."""
    expected = {
        "figure4": ("Generated examples", ["Large+", "Fine", "My-Quick", "Extra"]),
        "figure8": ("Samples of Fine", ["Fine"]),
        "figure9": ("Square samples of Large+, My-Quick and Extra", ["Large+", "My-Quick", "Extra"]),
        "figure10": ("Samples of Large+, My-Quick and Extra at every size", ["Large+", "My-Quick", "Extra"]),
    }
    for item, (title, names) in expected.items():
        assert renamed[item]["title"] == title
        assert [job["name"] for job in renamed[item]["provenance"]] == names
        assert "PQSD" not in json.dumps({key: renamed[item][key] for key in ("title", "caption", "alt")})


def test_what_compares_all_variants_has_all_of_them(renamed):
    assert column(renamed["table3"], "generator") == ["SDv2.1", *RENAMED.values()]  # none but the first of the paper's
    models = column(renamed["table4"], "model")
    assert all(f"{name}, stage {stage}" in models for name in RENAMED.values() for stage in (1, 2))
    assert re.findall(r"[\w+-]+(?= \(F = )", renamed["figure4"]["alt"]) == ["Large+", "Fine", "My-Quick", "Extra"]
    assert "My-Quick, on the fine-tuned tokenizer of F=16" in {row["group"] for row in renamed["table4"]["rows"]}


def test_the_papers_rows_stand_under_the_papers_names(renamed):
    for item, key in (("table3", "generator"), ("table4", "model")):
        reported = [row["cells"][key]["text"] for row in renamed[item]["rows"] if row["source"] == "reported"]
        assert "PQSD-Quick" in reported
        assert "My-Quick" not in reported


def test_a_role_that_the_paper_does_not_have_is_measured_alone(renamed):
    reported = [row["cells"] for row in renamed["table2"]["rows"] if row["source"] == "reported"]
    assert len(reported) == 5
    for cells in reported:
        assert cells["psnr_LSUN"]["text"] != "–"
        assert {cell["text"] for key, cell in cells.items() if key.endswith("_People")} == {"–"}
    caption = renamed["table2"]["caption"]
    assert "faces in the role of People" in caption
    assert "Reported: the paper's own values, on LSUN (3000 images)." in caption
    assert "FFHQ" not in json.dumps(renamed["table2"])
    assert "scale ‘mine’" in caption


def test_latents_may_have_any_name(renamed, smoke):
    methods = [latent.method for latent in smoke.scale.ldm.latents.values()]
    assert sorted(column(renamed["table5"], "latent")) == sorted(methods)
    assert [job["name"] for job in renamed["figure_ldm"]["provenance"]] == ["my.vae", "my.pqgan-f8", "my.pqgan-f16"]
