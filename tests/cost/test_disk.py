"""Bytes of a training, in the plan of Snakemake: those of the networks that the settings describe."""

import pytest
from torch._subclasses.fake_tensor import FakeTensorMode
from whole_plan import whole_plan

from pqgan.cost.disk import training_bytes
from pqgan.plan import Plan
from pqgan.settings import load
from pqgan.tokenizer.build import build
from pqgan.tokenizer.discriminator import PatchGAN


@pytest.fixture(scope="module")
def plan(params_path) -> Plan:
    return whole_plan(load(params_path, "paper"))


@pytest.mark.parametrize("name", ["f8-d128-S64-K512", "f16-d4-S1-K8192", "f8-d256-S64-K8192"])
def test_a_tokenizer_has_three_checkpoints_a_result_and_its_pictures(name, plan):
    settings, section = plan.settings, plan.settings.scale.tokenizer
    config = section.configs[name]
    with FakeTensorMode(allow_non_fake_inputs=True):
        model = build(config, section.trunks[config.F], settings.reading, seed=0)
        discriminator = PatchGAN(section.discriminator.channels, section.discriminator.layers)
        weights = sum(p.numel() for network in (model, discriminator) for p in network.parameters())
    assert settings.scale.upkeep.checkpoints_kept == 2
    checkpoint = 3 * 4 * weights  # both moments of Adam
    pictures = 101 * 8 * 2 * 3 * 256 * 256  # after each ten thousandth of a million updates: eight images, twice
    assert training_bytes(plan)["tokenizer", name] == 4 * weights + 3 * checkpoint + pictures


@pytest.mark.parametrize("name", ["linear-f8-d128-S64-K512", "linear-f32-d256-S64-K256"])
def test_a_linear_tokenizer_is_its_weights_and_those_of_three_checkpoints(name, plan):
    config = plan.settings.scale.tokenizer.configs[name]
    weights = sum(p.numel() for p in build(config, None, plan.settings.reading, seed=0).parameters())
    assert training_bytes(plan)["tokenizer", name] == 4 * 4 * weights


def test_every_training_of_the_paper_is_known(plan):
    found = training_bytes(plan)
    chapters = ("tokenizer", "finetune", "adapt", "ldm")
    trained = [job for chapter in chapters for job in plan.chapter(chapter).values()]
    assert sorted(found) == sorted((job.chapter, job.name) for job in trained)
    # weights, both moments and the moving average of Stable Diffusion's 866 million parameters, thrice, and the result
    assert found["adapt", "PQSD-Precise-stage2"] == pytest.approx(866e6 * 4 * 13, rel=0.01)


def test_a_network_that_was_not_counted_is_left_out(params_path, changed_params):
    changed = changed_params("scales.paper.tokenizer.discriminator.channels", 48)
    found = training_bytes(whole_plan(load(changed, "paper")))
    assert {chapter for chapter, name in found if not name.startswith("linear-")} == {"adapt", "ldm"}
    assert all(name.startswith("linear-") for _, name in training_bytes(whole_plan(load(params_path, "smoke"))))
