"""Product quantisers once more around a linear path: names, networks, trainings, readers, and what is refused."""

import pytest
from pydantic import ValidationError
from whole_plan import whole_plan

from pqgan.errors import SettingsError
from pqgan.plan import Plan
from pqgan.report import contents
from pqgan.settings import PQConfig, Settings

PLAIN, PATH = "f8-d16-S8-K64", "path-f8-d16-S8-K64"
REFINEMENT = {"channels": 8, "blocks": 1}


def raw_with(plain: Settings, **options) -> dict:
    raw = plain.model_dump()
    training = raw["scale"]["tokenizer"]["training"] | {"steps": 7, "path_rate": 0.0}
    around = {"shortcut": "linear_alone", "refinement": REFINEMENT, "training": training}
    raw["scale"]["tokenizer"]["with_shortcut"] = around | options
    return raw


@pytest.fixture(scope="module")
def beside(plain) -> Plan:
    return whole_plan(Settings.model_validate(raw_with(plain)))


def test_each_product_quantiser_comes_once_more_and_moves_nothing(plain, beside):
    section = beside.settings.scale.tokenizer
    swept = [name for name, config in plain.scale.tokenizer.configs.items() if config.kind == "pq"]
    before, after = ({job.path for job in plan.all()} for plan in (whole_plan(plain), beside))
    again = [f"path-{name}" for name in swept]
    assert [name for name in section.configs if name.startswith("path-")] == again
    assert before < after
    assert after - before == {beside.job(chapter, name).path for chapter in ("tokenizer", "evaluate") for name in again}
    assert not any(name.startswith("path-") for name in section.designs)


def test_it_has_a_network_and_a_training_of_its_own(beside):
    section = beside.settings.scale.tokenizer
    own, once = section.configs[PATH], section.configs[PLAIN]
    trunks = section.trunk(own), section.trunk(once)
    assert [trunk.shortcut for trunk in trunks] == ["linear_alone", "none"]
    assert trunks[0].plain == trunks[1] == section.trunks[8]
    assert [section.training_of(config).steps for config in (own, once)] == [7, section.training.steps]
    spec = beside.job("tokenizer", PATH).spec
    assert spec["trunk"]["refinement"] == REFINEMENT
    assert (spec["Training"]["steps"], spec["config"]["path"]) == (7, True)
    assert "path" not in beside.job("tokenizer", PLAIN).spec["config"]
    assert section.trunk(section.configs["linear-f8-d64-S32-K256"]) is None
    assert section.trunk(section.configs["kl-f8-d4"]).shortcut == "none"


def test_it_serves_the_claims_only(beside):
    read = {item: {job.name for job in contents.inputs(beside, item)} for item in contents.ITEMS}
    assert [item for item, names in read.items() if PATH in names] == ["table_claims"]
    assert PATH not in contents.candidates(beside, 8)
    assert contents.shortcuts([beside.job("evaluate", PATH)]) == {}  # the claims say it in their own column


def test_a_replicate_of_it_is_named_after_it():
    config = PQConfig(F=8, d=16, S=8, K=64, seed=3, path=True)
    assert (config.name, config.design) == (f"{PATH}-seed3", PATH)
    assert config.model_dump(exclude_defaults=True)["path"] is True


def refused(raw: dict, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Settings.model_validate(raw)


def test_beside_a_trunk_with_a_shortcut_of_its_own_it_is_refused(plain):
    raw = raw_with(plain)
    raw["scale"]["tokenizer"]["trunks"][8]["shortcut"] = "linear"
    refused(raw, r"with_shortcut beside a shortcut of trunks.8; allowed: one of the two")


def test_a_path_without_it_is_refused(plain):
    raw = plain.model_dump()
    raw["scale"]["tokenizer"]["sweep"] = [{"F": 8, "d": 16, "S": 8, "K": 64, "path": True}]
    refused(raw, "path-f8-d16-S8-K64 has path: true; allowed: with_shortcut, which trains every one with a path")


def test_a_path_of_its_own_beside_it_is_refused(plain):
    raw = raw_with(plain)
    raw["scale"]["tokenizer"]["sweep"] = [{"F": 8, "d": 64, "S": 64, "K": 64, "path": True}]
    refused(raw, "path-f8-d64-S64-K64 has path: true; allowed: with_shortcut, which trains every one with a path")


def test_nothing_to_train_is_refused(plain):
    refused(raw_with(plain, refinement=None), "linear_alone has no network to train; allowed: a refinement, or kind")
    raw = plain.model_dump()
    raw["scale"]["tokenizer"]["trunks"][8]["shortcut"] = "linear_alone"
    refused(raw, "linear_alone has no network to train")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"resolution": 60}, "tokenizer.with_shortcut.training.resolution is 60, which F=8 does not divide"),
        ({"shortest_side": 32}, "shortest_side is 32, too small for crops of 64 pixels; allowed: 64 or more, or null"),
    ],
)
def test_images_that_its_training_cannot_use_are_refused(plain, changes, message):
    raw = raw_with(plain)
    raw["scale"]["tokenizer"]["with_shortcut"]["training"] |= changes
    refused(raw, message)


def test_images_smaller_than_a_patch_are_refused(plain):
    raw = plain.model_dump()
    raw["scale"]["tokenizer"]["linear"]["side"] = 31
    refused(raw, "linear.side is 31, too small for patches of F=32; allowed: 32 or more, or null")


def test_a_bench_of_matching_has_no_path(plain):
    raw = raw_with(plain)
    raw["scale"]["matching"]["configs"] = [{"F": 8, "d": 16, "S": 8, "K": 64, "path": True}]
    with pytest.raises(SettingsError, match=f"got {PATH}; allowed: configurations without seed and path"):
        whole_plan(Settings.model_validate(raw))


def test_linear_tokenizers_of_tables_1_and_2_are_those_beside_what_they_show(plain):
    raw = plain.model_dump()
    raw["scale"]["selection"]["factors"] = (8, 16)
    shapes = {
        "shown: a candidate has its shape": {"F": 8, "d": 64, "S": 32, "K": 256},
        "shown: nothing swept has its shape": {"F": 8, "d": 64, "S": 16, "K": 256},
        "shown: F=32 takes no part in the selection": {"F": 32, "d": 32, "S": 16, "K": 64},
        "not shown: VQ is no candidate": {"F": 8, "d": 16, "S": 1, "K": 64},
    }
    raw["scale"]["tokenizer"]["baselines"] = [{"kind": "kl", "F": 8, "d": 4}] + [
        {"kind": "linear"} | shape for shape in shapes.values()
    ]
    raw["scale"]["evaluation"]["continuous"] = ["kl-f8-d4"]
    found = Settings.model_validate(raw).linear_beside
    assert found == ["linear-f8-d64-S32-K256", "linear-f8-d64-S16-K256", "linear-f32-d32-S16-K64"]
