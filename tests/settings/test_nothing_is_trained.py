"""Settings of a scale that leaves chapters out, and of a validation set that is measured by two readings."""

import pytest
import yaml

from pqgan.errors import SettingsError
from pqgan.plan import Plan
from pqgan.settings import load


@pytest.fixture
def changed(params_path, tmp_path):
    """params.yaml with other values at scale released, by key."""

    def write(values: dict):
        raw = yaml.safe_load(params_path.read_text())
        for key, value in values.items():
            place = raw["scales"]["released"]
            *parents, last = key.split(".")
            for part in parents:
                place = place[part]
            place[last] = value
        (tmp_path / "params.yaml").write_text(yaml.safe_dump(raw))
        return tmp_path / "params.yaml"

    return write


SPEED = {"warmup": 1, "repeats": 1, "baseline_size": 64}
REFUSED = {
    "factors without fine-tuning": (
        {"selection.factors": [8]},
        "finetune is null beside selection.factors, which are fine-tuned; allowed: no factors",
    ),
    "speed of nothing": ({"speed": SPEED}, "adapt and speed: one of them is null; allowed: both"),
    "something to train": (
        {"tokenizer.baselines": [{"kind": "kl", "F": 8, "d": 4}]},
        "training is null beside kl-f8-d4; allowed: nothing but kind: linear",
    ),
    "half of a training": (
        {"tokenizer.discriminator": {"channels": 8, "layers": 1}},
        "training and discriminator: one of them is null; allowed: both or neither",
    ),
    "a fit of no size": (
        {"tokenizer.linear": {"scaling_images": 9}},
        "training is null; allowed: linear with a side and scaling_images of its own",
    ),
    "a fit of no scale": (
        {"tokenizer.linear": {"side": 64}},
        "training is null; allowed: linear with a side and scaling_images of its own",
    ),
    "no such second reading": (
        {"evaluation.second": {"reading": "third", "data": "val"}},
        "evaluation.second.reading: got 'third'; allowed: released",
    ),
    "the same reading twice": (
        {"evaluation.second": {"reading": "paper", "data": "val_squashed"}},
        "evaluation.second.reading: got 'paper'; allowed: released",
    ),
    "no such set": (
        {"evaluation.second": {"reading": "released", "data": "valley"}},
        "evaluation.second.data is 'valley'; allowed: ",
    ),
    "a set of other images": (
        {"evaluation.second": {"reading": "released", "data": "lsun"}},
        "evaluation.second.data is lsun, which holds other images than val; allowed: a set with the same settings but",
    ),
    "a set of the first reading": (
        {"evaluation.second": {"reading": "released", "data": "val"}},
        "evaluation.second.data is val, cut by the geometry crop; allowed: a set with geometry: squash, that of the",
    ),
    "a role twice": (
        {"evaluation.transfer": {"released": "ffhq"}},
        "evaluation.second.reading is released, the role of another set",
    ),
    "no such geometry": ({"data.sets.val.geometry": "stretch"}, "data.sets.val.geometry: got 'stretch'; Input should"),
    "a backbone that is not there": (
        {"evaluation.continuous": ["backbone-vae"]},
        "evaluation.continuous has 'backbone-vae'; allowed: sd21-vae, sdxl-vae, taesd, taesd3",
    ),
    "a size that F=16 does not divide": ({"data.sets.val_squashed.size": 250}, "data.sets.val_squashed.size is 250"),
    "a large size that F=16 does not divide": (
        {"data.sets.val_large.size": 200, "data.sets.val_double.size": 400},
        "data.sets.val_large.size is 200, which F=16 does not divide; allowed: such as 192 or 208",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_is_refused_in_one_line(changed, case):
    values, expected = REFUSED[case]
    with pytest.raises(SettingsError) as error:
        load(changed(values), "released")
    assert expected in str(error.value)
    assert "\n" not in str(error.value)


def test_a_backbone_of_the_second_reading_that_is_not_measured_is_refused(params_path, tmp_path):
    raw = yaml.safe_load(params_path.read_text())
    raw["readings"]["released"]["metrics"]["lpips"] = "squeeze"
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(raw))
    with pytest.raises(SettingsError, match=r"evaluation\.features\.lpips lacks squeeze, .* reading released; allowed"):
        load(tmp_path / "params.yaml", "released")


def test_without_linear_tokenizers_too(changed):
    settings = load(changed({"tokenizer.baselines": [], "tokenizer.linear": {}}), "released")
    assert Plan(settings).chapter("tokenizer") == {}
    assert "imagenette" in Plan(settings).chapter("data")


def test_each_set_has_its_own_geometry_and_each_role_its_own_reading(params_path):
    settings = load(params_path, "released")
    assert {name: settings.scale.geometry_of(name, settings.reading) for name in ("val", "val_squashed", "ffhq")} == {
        "val": "crop",
        "val_squashed": "squash",
        "ffhq": "crop",
    }
    assert settings.scale.geometry_of("a set of nobody", settings.reading) == "crop"
    assert settings.metrics_of("val").psnr == settings.metrics_of("FFHQ").psnr == "mean"
    assert settings.metrics_of("released").psnr == "pooled"
    plan = Plan(settings)
    for chapter in ("data", "reference"):
        assert plan.job(chapter, "val").spec["geometry"] == "crop"
        assert plan.job(chapter, "val_squashed").spec["geometry"] == "squash"
    assert plan.job("evaluate", "sd21-vae").spec["second"]["fid"] == "torchmetrics"
    assert "second" not in plan.job("evaluate_transfer", "sd21-vae-on-FFHQ").spec


def test_the_second_reading_moves_the_evaluations_on_its_set_alone(params_path, tmp_path):
    raw = yaml.safe_load(params_path.read_text())
    raw["readings"]["released"]["metrics"]["psnr"] = "mean"
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(raw))
    before, after = (
        {(job.chapter, job.name): job.path for job in Plan(load(path, "released")).all()}
        for path in (params_path, tmp_path / "params.yaml")
    )
    assert {key[0] for key in before if before[key] != after[key]} == {"evaluate"}
