"""Where each setting of a tokenizer's training arrives: loader, optimisers, step, loop and result."""

import pytest
import torch
from safetensors.torch import load_file, save_file

from pqgan.settings import PQConfig, Settings
from pqgan.tokenizer import train
from pqgan.tokenizer.assemble import new_discriminator
from pqgan.tokenizer.build import build
from pqgan.tokenizer.load import load_model

NAME = "f8-d16-S8-K64"
UPKEEP = {"checkpoint_every": 7, "checkpoints_kept": 3, "pictures_every": 8, "pictures": 2}


@pytest.fixture
def settings(uneven) -> Settings:
    return uneven


def with_reading(settings: Settings, section: str, **values) -> Settings:
    changed = getattr(settings.reading, section).model_copy(update=values)
    return settings.model_copy(update={"reading": settings.reading.model_copy(update={section: changed})})


def same(found: dict, expected: dict) -> bool:
    return found.keys() == expected.keys() and all(torch.equal(found[key], expected[key]) for key in expected)


@pytest.fixture
def selected(settings, tmp_path):
    """Folder of a selected tokenizer and its discriminator, neither of which is what a seed of the run gives."""
    section = settings.scale.tokenizer
    folder = tmp_path / "selected"
    build(section.configs[NAME], section.trunks[8], settings.reading, seed=77).save_pretrained(folder)
    discriminator = {key: value + 1 for key, value in new_discriminator(settings).state_dict().items()}
    save_file(discriminator, folder / "discriminator.safetensors")
    return folder


def test_a_training_of_the_sweep_is_what_its_section_says(start, settings, training_sets):
    seen = start("tokenizer")
    step = seen.step
    assert (step.discriminator_start, step.discriminator_weight, step.perceptual_weight) == (5, 0.35, 0.7)
    assert (step.draws.seed, step.revival) == (11, None)
    assert step.perceptual.label.startswith("LPIPS SqueezeNet")
    for optimiser in seen.state.optimisers.values():
        (group,) = optimiser.param_groups
        assert isinstance(optimiser, torch.optim.Adam)
        assert (group["lr"], group["betas"], group["weight_decay"]) == (3e-3, (0.4, 0.8), 0)
    assert seen.fit | {"run": None, "pictures": None, "upkeep": seen.fit["upkeep"].model_dump()} == {
        "run": None,
        "pictures": None,
        "upkeep": UPKEEP,
        "steps": 6,
        "log_every": 3,
        "name": seen.job.id,
    }
    assert same(
        seen.state.modules["generator"].model.state_dict(),
        build(
            settings.scale.tokenizer.configs[NAME], settings.scale.tokenizer.trunks[8], settings.reading, 11
        ).state_dict(),
    )
    assert same(seen.state.modules["discriminator"].state_dict(), new_discriminator(settings).state_dict())
    found = list(seen.batches(4))
    assert [number for number, _ in found] == [4, 5]
    assert found[0][1].images.shape == (4, 3, 32, 32)
    ((arguments, named),) = seen.loads
    assert arguments[0].folder == training_sets["train"]
    assert {key: named[key] for key in ("batch", "resolution", "steps", "seed", "geometry", "workers")} == {
        "batch": 4,
        "resolution": 32,
        "steps": range(4, 6),
        "seed": 11,
        "geometry": "crop",
        "workers": 0,
    }


def test_a_fine_tuning_is_what_its_own_section_says(start, selected, training_sets):
    seen = start("finetune", model=selected)
    step = seen.step
    assert (step.discriminator_start, step.discriminator_weight, step.perceptual_weight) == (3, 0.35, 0.6)
    for optimiser in seen.state.optimisers.values():
        (group,) = optimiser.param_groups
        assert (group["lr"], group["betas"]) == (2e-3, (0.3, 0.7))
    assert (seen.fit["steps"], seen.fit["log_every"], seen.fit["name"]) == (4, 2, seen.job.id)
    assert same(seen.state.modules["generator"].model.state_dict(), load_model(selected).state_dict())
    resumed = load_file(selected / "discriminator.safetensors")
    assert same(seen.state.modules["discriminator"].state_dict(), resumed)
    ((number, batch), *_) = seen.batches(0)
    assert number == 0
    assert batch.images.shape == (2, 3, 64, 64)
    ((arguments, named),) = seen.loads
    assert arguments[0].folder == training_sets["train_large"]
    assert (named["batch"], named["resolution"], named["steps"], named["seed"]) == (2, 64, range(4), 11)


def test_a_fresh_discriminator_of_fine_tuning_is_that_of_the_seed(start, settings, selected):
    seen = start("finetune", with_reading(settings, "finetune", discriminator="fresh"), model=selected)
    assert same(seen.state.modules["discriminator"].state_dict(), new_discriminator(settings).state_dict())


@pytest.mark.parametrize(("counted", "steps"), [("generator", 6), ("generator_and_discriminator", 3)])
def test_a_step_is_an_update_of_what_the_reading_counts(start, settings, counted, steps):
    seen = start("tokenizer", with_reading(settings, "training", step_counts=counted))
    assert seen.fit["steps"] == steps
    assert len(list(seen.batches(0))) == steps


def test_the_learning_rate_rule_multiplies_by_the_batch_of_the_training(start, settings, selected):
    scaled = with_reading(settings, "training", scale_lr=True)
    for seen, rate in ((start("tokenizer", scaled), 4 * 3e-3), (start("finetune", scaled, model=selected), 2 * 2e-3)):
        for optimiser in seen.state.optimisers.values():
            assert optimiser.param_groups[0]["lr"] == pytest.approx(rate, rel=1e-12)


def test_hardware_and_data_reading_reach_the_loader(start, settings):
    hardware = settings.scale.hardware.model_copy(update={"workers": 3})
    scale = settings.scale.model_copy(update={"hardware": hardware})
    seen = start("tokenizer", with_reading(settings.model_copy(update={"scale": scale}), "data", geometry="squash"))
    seen.batches(0).close()
    ((_, named),) = seen.loads
    assert (named["workers"], named["geometry"]) == (3, "squash")


def test_the_quantiser_is_built_as_the_reading_says(settings):
    readings = {"codebook_init": "normal", "beta": 0.75, "beta_on": "commitment"}
    reading = with_reading(with_reading(settings, "training", **readings), "data", normalisation="imagenet").reading
    trunk = settings.scale.tokenizer.trunks[16]
    config = build(PQConfig(F=16, d=12, S=3, K=20), trunk, reading, 0).config
    assert {key: config[key] for key in readings} == readings
    assert (config.normalisation, config.d, config.S, config.K) == ("imagenet", 12, 3, 20)
    assert tuple(config.block_out_channels) == (8, 16, 16, 32, 32)
    assert (config.layers_per_block, config.z_channels, config.norm_num_groups) == (1, 32, 2)
    quantiser = build(PQConfig(F=16, d=12, S=3, K=20), trunk, reading, 0).quantiser
    assert (quantiser.beta, quantiser.beta_on) == (0.75, "commitment")
    assert quantiser.codebooks.std().item() == pytest.approx(1, abs=0.15)


@pytest.mark.parametrize("chapter", ["tokenizer", "finetune"])
def test_precision_and_hardware_reach_fabric(start, settings, selected, monkeypatch, chapter):
    asked, make = [], train.training_fabric
    monkeypatch.setattr(
        train, "training_fabric", lambda *given: asked.append(given) or make(given[0], "32-true", given[2])
    )
    given = {"model": selected} if chapter == "finetune" else {}
    start(chapter, with_reading(settings, "training", precision="bf16-mixed"), **given)
    assert asked == [(settings.scale.hardware, "bf16-mixed", chapter)]
