"""Operations counted without computing are those of the real thing."""

import json
from collections.abc import Callable, Iterator

import pytest
import torch
from diffusers import UNet2DConditionModel
from torch.nn.attention import SDPBackend, sdpa_kernel
from whole_plan import whole_plan

from pqgan.cost import count_operations, network_passes
from pqgan.cost.count_operations import count
from pqgan.data.batches import Batch
from pqgan.diffusion.unet import build_unet
from pqgan.engine.flops import Flops
from pqgan.engine.launch import make_fabric
from pqgan.errors import DataError
from pqgan.settings import load
from pqgan.settings.diffusion import STABLE_DIFFUSION_2_1
from pqgan.tokenizer.assemble import assemble, new_discriminator
from pqgan.tokenizer.build import build
from pqgan.tokenizer.load import wrap


@pytest.fixture
def flops() -> Iterator[Callable[[], int]]:
    """Operations until now; attention as matrix products, because torch counts none of its kernel for CPUs."""
    with sdpa_kernel(SDPBackend.MATH), Flops() as counter:
        yield lambda: counter.total


@pytest.mark.parametrize("name", ["f8-d16-S4-K64", "kl-f8-d4", "vqgan-f16-d32-K128"])
def test_an_update_of_a_tokenizer(plain, name, flops):
    config = plain.scale.tokenizer.configs[name]
    model = build(config, plain.scale.tokenizer.trunk(config), plain.reading, seed=0)
    step, state = assemble(
        make_fabric(plain.scale.hardware, "32-true"),
        plain,
        model,
        config,
        new_discriminator(plain),
        plain.scale.evaluation.features,
        training=plain.scale.tokenizer.training,
        batch=2,
        discriminator_start=1,
    )
    images = torch.rand(2, 3, 64, 64) * 2 - 1
    before = flops()
    for update in step(0, Batch(images, torch.full((2,), -1), ["", ""])):
        update.loss.backward()
    real = flops() - before
    found = count(plain, network_passes.tokenizer(plain, config, "train", 64))
    assert 2 * found["operations"] == real
    codewords = config.d * getattr(config, "K", 0)
    parameters = sum(p.numel() for network in state.modules.values() for p in network.parameters())
    assert found["parameters"] + codewords == parameters


@pytest.mark.parametrize("does", ["encode", "decode"])
def test_encoder_and_decoder(smoke, does, flops):
    config = smoke.scale.tokenizer.configs["f8-d16-S4-K64"]
    tokenizer = wrap(build(config, smoke.scale.tokenizer.trunks[8], smoke.reading, seed=0))
    given = torch.rand(1, 3, 64, 64) * 2 - 1 if does == "encode" else torch.randn(1, 16, 8, 8)
    with torch.no_grad():
        getattr(tokenizer, does)(given)
    real = flops()
    assert count(smoke, network_passes.tokenizer(smoke, config, does, 64))["operations"] == real


def test_a_step_of_a_unet(smoke, flops):
    shape = smoke.scale.ldm.unet
    predict, ends, train = (
        count(smoke, network_passes.unet(shape, does, 16, 8, 1))["operations"]
        for does in ("predict", "train-ends", "train")
    )
    unet = build_unet(shape, 16, 8)
    before = flops()
    predicted = unet(torch.randn(2, 16, 8, 8), torch.zeros(2), torch.randn(2, 1, shape.context)).sample
    assert flops() - before == 2 * predict
    predicted.sum().backward()
    assert flops() - before == 2 * train
    assert predict < ends < train


def test_the_backbone_is_stable_diffusion_2_1():
    with torch.device("meta"):
        unet = build_unet(STABLE_DIFFUSION_2_1.unet, 4, 96)
        published = UNet2DConditionModel(
            sample_size=96,
            attention_head_dim=(5, 10, 20, 20),
            cross_attention_dim=1024,
            use_linear_projection=True,
        )
    assert [value.shape for value in unet.parameters()] == [value.shape for value in published.parameters()]
    assert sum(value.numel() for value in unet.parameters()) == 865_910_724  # of the published file


def test_the_packages_counts_are_those_of_the_present_networks(params_path):
    """The text encoder, one encoder, one decoder and one U-Net counted again."""
    settings = load(params_path, "paper")
    kept = json.loads(network_passes.FILE.read_text())
    quick = [
        row for row in kept if row["work"].get("does") in (None, "predict", "encode") and "lpips" not in row["work"]
    ]
    again = {row["work"]["network"]: row for row in quick if row["work"].get("resolution", 0) <= 256}
    assert {"tokenizer", "vae", "unet", "text"} == set(again)
    for row in again.values():
        assert count(settings, row["work"]) == row


def test_what_a_scale_computes_is_counted_and_kept(smoke, tmp_path, monkeypatch):
    config = smoke.scale.tokenizer.configs["f8-d16-S1-K64"]
    wanted = [
        network_passes.text(smoke),
        network_passes.tokenizer(smoke, config, "encode", 64),
        network_passes.text(smoke),
    ]
    monkeypatch.setattr(
        count_operations, "tasks", lambda plan, counts, images: [counts.operations(each) for each in wanted]
    )
    count_operations.run(whole_plan(smoke), tmp_path / "counts.json")
    assert len(json.loads((tmp_path / "counts.json").read_text())) == 2
    counts = network_passes.Counts(tmp_path / "counts.json")
    assert counts.operations(wanted[1]) == count(smoke, wanted[1])["operations"] > 0
    with pytest.raises(DataError, match="no count of tokenizer encode 16 128 with these settings; count with: pqgan"):
        counts.operations(network_passes.tokenizer(smoke, config, "encode", 128))
