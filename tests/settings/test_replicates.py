"""Seeds of configurations: what a replicate is made from, what it leaves alone, and what is refused."""

import pytest
import yaml
from whole_plan import whole_plan

from pqgan.errors import SettingsError
from pqgan.plan import Plan
from pqgan.report import contents
from pqgan.settings import KLConfig, PQConfig, VQGANConfig, load

SWEEP, BASELINES = "scales.smoke.tokenizer.sweep", "scales.smoke.tokenizer.baselines"
POINT = {"F": 8, "d": 16, "S": 8, "K": 64}
COARSE = POINT | {"F": 16}
AGAIN = "f8-d16-S8-K64-seed1"


@pytest.fixture
def replicated(changed_params, smoke) -> Plan:
    sweep = [config.model_dump() for config in smoke.scale.tokenizer.sweep]
    return whole_plan(load(changed_params(SWEEP, [*sweep, POINT | {"seed": 1}]), "smoke"))


@pytest.mark.parametrize(
    ("config", "name"),
    [
        (PQConfig(**POINT), "f8-d16-S8-K64"),
        (KLConfig(kind="kl", F=8, d=4), "kl-f8-d4"),
        (VQGANConfig(kind="vqgan", F=16, d=32, K=128), "vqgan-f16-d32-K128"),
    ],
)
def test_a_seed_is_in_name_and_dump_where_there_is_one(config, name):
    assert (config.name, config.design) == (name, name)
    assert "seed" not in config.model_dump(mode="json")
    assert "seed" not in config.model_dump_json()
    again = type(config).model_validate(config.model_dump() | {"seed": 7})
    assert (again.name, again.design) == (f"{name}-seed7", name)
    assert again.model_dump(mode="json") == config.model_dump(mode="json") | {"seed": 7}


@pytest.mark.parametrize(
    "scale", ["smoke", "mini", "mini-cpu", "mini-cpu-long", "mini-cpu-upkeep", "mini-best", "paper"]
)
def test_addresses_of_what_has_no_seed_are_made_without_it(params_path, scale):
    plan = whole_plan(load(params_path, scale))
    for name in plan.settings.scale.tokenizer.designs:
        job = plan.job("tokenizer", name)
        assert "seed" not in job.spec["config"]
        assert job.spec["seed"] == plan.settings.scale.seed
    (bench,) = plan.chapter("matching").values()
    assert not any("seed" in config for config in bench.spec["MatchingBench"]["configs"])


def test_a_replicate_moves_nothing_and_is_trained_and_evaluated(smoke, replicated):
    before, after = ({job.path for job in plan.all()} for plan in (whole_plan(smoke), replicated))
    trained, evaluated = (replicated.job(chapter, AGAIN) for chapter in ("tokenizer", "evaluate"))
    assert after - before == {trained.path, evaluated.path}
    assert before < after
    once = replicated.job("tokenizer", "f8-d16-S8-K64")
    assert (trained.spec["seed"], once.spec["seed"]) == (1, 0)
    assert trained.spec["config"] == once.spec["config"] | {"seed": 1}
    assert evaluated.inputs["model"] is trained
    assert {role for role in evaluated.inputs if role.startswith("set-")} == {"set-val"}


def test_a_replicate_serves_the_claims_only(replicated):
    read = {item: {job.name for job in contents.inputs(replicated, item)} for item in contents.ITEMS}
    assert [item for item, names in read.items() if AGAIN in names] == ["table_claims"]
    assert AGAIN not in contents.candidates(replicated, 8)
    assert AGAIN not in contents.swept(replicated)
    assert AGAIN not in contents.product_quantised(replicated)


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        (
            SWEEP,
            [COARSE, POINT, POINT | {"seed": 0}],
            ["scales.smoke.tokenizer", "f8-d16-S8-K64-seed0", "another seed than 0"],
        ),
        (
            SWEEP,
            [COARSE, POINT, {**POINT, "d": 32, "seed": 1}],
            ["f8-d32-S8-K64-seed1 repeats f8-d32-S8-K64", "not planned"],
        ),
        (SWEEP, [POINT | {"seed": -1}], ["tokenizer.sweep.0.seed", "-1", "greater than or equal to 0"]),
        (SWEEP, [POINT | {"seed": "two"}], ["tokenizer.sweep.0.seed", "'two'", "integer"]),
        (BASELINES, [{"kind": "kl", "F": 8, "d": 4}, {"kind": "kl", "F": 8, "d": 8, "seed": 1}], ["kl-f8-d8-seed1"]),
        ("scales.smoke.matching.configs.0.seed", 1, ["matching.configs", "f8-d16-S1-K64-seed1", "without seed"]),
    ],
)
def test_a_seed_that_makes_no_replicate_is_refused_in_one_line(changed_params, key, value, expected):
    with pytest.raises(SettingsError) as caught:
        whole_plan(load(changed_params(key, value), "smoke"))
    message = str(caught.value)
    assert "\n" not in message
    for part in expected:
        assert part in message, message


def test_a_replicate_is_not_the_named_best(changed_params, smoke):
    sweep = [config.model_dump() for config in smoke.scale.tokenizer.sweep] + [POINT | {"seed": 1}]
    path = changed_params(SWEEP, sweep)
    raw = yaml.safe_load(path.read_text())
    raw["scales"]["smoke"]["selection"]["mode"] = "named"
    raw["scales"]["smoke"]["overrides"]["best"] = {8: AGAIN, 16: "f16-d32-S16-K64"}
    path.write_text(yaml.safe_dump(raw))
    with pytest.raises(SettingsError, match=rf"reading\.best\.8 is '{AGAIN}'; allowed: .* and no seed"):
        load(path, "smoke")
