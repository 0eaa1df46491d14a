"""Linear tokenizers in params.yaml: what is refused, and what never takes one for a product quantiser."""

import pytest
import yaml
from whole_plan import whole_plan

from pqgan.errors import SettingsError
from pqgan.settings import load

NAMES = ("linear-f8-d64-S32-K256", "linear-f16-d64-S32-K256")


def test_no_selection_and_no_fine_tuning_meets_one(smoke):
    plan = whole_plan(smoke)
    for factor in (8, 16):
        assert not any(name.startswith("linear-") for name in smoke.candidates(factor))
        assert not smoke.expected(factor).name.startswith("linear-")
    for job in plan.all():
        if job.chapter in ("select", "finetune", "evaluate_finetuned", "adapt", "samples", "ldm", "generation"):
            assert not any(name in role for role in job.inputs for name in NAMES), job.id
    used = {(job.chapter, job.name) for job in plan.all() for role in job.inputs.values() if role.name in NAMES}
    assert used == {("evaluate", name) for name in NAMES}


def changed(params_path, tmp_path, change, mode: str = "measured"):
    raw = yaml.safe_load(params_path.read_text())
    scale = raw["scales"]["smoke"]
    scale["selection"]["mode"] = mode
    change(scale)
    path = tmp_path / "params.yaml"
    path.write_text(yaml.safe_dump(raw, sort_keys=False))
    return load(path, "smoke")


def only_linear_of_16(scale):
    scale["tokenizer"]["sweep"] = [config for config in scale["tokenizer"]["sweep"] if config["F"] != 16]


def named(scale):
    scale["overrides"]["best"] = {8: NAMES[0], 16: "f16-d32-S16-K64"}


def alternative(scale):
    scale["overrides"]["best_alternatives"] = {16: NAMES[1]}


def indivisible(scale):
    scale["tokenizer"]["baselines"][2]["S"] = 3


def twice_the_side(scale):
    scale["tokenizer"]["baselines"].append({"kind": "linear", "F": 32, "d": 64, "S": 32, "K": 256})
    scale["data"]["sets"]["textures"]["size"] = 48


def none_at_all(scale):
    scale["tokenizer"]["linear"] = {"vectors": 0}


@pytest.mark.parametrize(
    ("change", "mode", "message"),
    [
        (only_linear_of_16, "measured", "selection.factors has 16, of which the sweep has no configuration with S > 1"),
        (named, "named", rf"reading.best.8 is '{NAMES[0]}'; allowed: a configuration of the sweep with F=8"),
        (alternative, "measured", rf"reading.best_alternatives.16 is '{NAMES[1]}'; allowed: a configuration"),
        (indivisible, "measured", r"tokenizer\.baselines\.2: S=3 does not divide d=64; allowed S: .*2, 4"),
        (twice_the_side, "measured", "data.sets.textures.size is 48, which F=.* does not divide"),
        (none_at_all, "measured", r"tokenizer\.linear\.vectors: got 0; "),
    ],
)
def test_what_cannot_be_is_refused_in_a_line(params_path, tmp_path, change, mode, message):
    with pytest.raises(SettingsError, match=message) as caught:
        changed(params_path, tmp_path, change, mode)
    assert "\n" not in str(caught.value)


def test_one_of_a_factor_without_trunk_is_allowed_and_measured(params_path, tmp_path):
    settings = changed(
        params_path,
        tmp_path,
        lambda scale: scale["tokenizer"]["baselines"].append({"kind": "linear", "F": 4, "d": 48, "S": 48, "K": 16}),
    )
    plan = whole_plan(settings)
    assert 4 not in settings.scale.tokenizer.trunks
    job = plan.job("tokenizer", "linear-f4-d48-S48-K16")
    assert job.spec["linear"] == {"images": None, "vectors": 20_000, "passes": 10}
    assert (job.spec["side"], job.spec["seed"]) == (64, 0)
    assert "set-LSUN" in plan.job("evaluate", "linear-f4-d48-S48-K16").inputs
