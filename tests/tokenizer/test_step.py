"""One update of each kind of tokenizer, and the guard before it."""

from types import SimpleNamespace

import pytest
import torch

from pqgan.engine.launch import make_fabric
from pqgan.errors import NumericalError
from pqgan.tokenizer.build import build
from pqgan.tokenizer.discriminator import PatchGAN
from pqgan.tokenizer.step import Generator, TokenizerStep


class Distance(torch.nn.Module):
    """Stands in for LPIPS: a distance a pair."""

    def forward(self, left, right):
        return (left - right).square().mean(dim=(1, 2, 3))


@pytest.fixture
def make_step(smoke):
    def make(name: str, start: int, precision: str = "32-true") -> TokenizerStep:
        section = smoke.scale.tokenizer
        config = section.configs()[name]
        torch.manual_seed(0)
        fabric = make_fabric(smoke.scale.hardware, precision)
        networks = [Generator(build(config, section.trunks[config.F], smoke.reading, 0), config), PatchGAN(8, 2)]
        pairs = [fabric.setup(net, torch.optim.Adam(net.parameters(), lr=1e-3)) for net in networks]
        return TokenizerStep(
            fabric,
            *(network for network, _ in pairs),
            tuple(optimiser for _, optimiser in pairs),
            Distance(),
            perceptual_weight=1.0,
            discriminator_weight=0.8,
            discriminator_start=start,
            seed=0,
        )

    return make


@pytest.fixture
def batch():
    coarse = torch.rand(4, 3, 4, 4, generator=torch.Generator().manual_seed(0)) * 2 - 1
    return SimpleNamespace(images=torch.nn.functional.interpolate(coarse, size=64, mode="bilinear"))


def weights(network):
    return [parameter.detach().clone() for parameter in network.parameters()]


def same(network, before):
    return all(torch.equal(now, then) for now, then in zip(network.parameters(), before, strict=True))


@pytest.mark.parametrize("name", ["f8-d16-S8-K64", "kl-f8-d4", "vqgan-f16-d32-K128"])
def test_every_kind_learns_to_reconstruct(make_step, batch, name):
    step = make_step(name, start=1000)
    losses = [step(number, batch)["l1"].item() for number in range(20)]
    assert losses[-1] < 0.8 * losses[0]


def test_discriminator_rests_until_its_start(make_step, batch):
    step = make_step("f8-d16-S8-K64", start=2)
    before = weights(step.discriminator)
    first = step(0, batch)
    assert same(step.discriminator, before)
    assert "adversarial" not in first
    second = step(1, batch)
    assert not same(step.discriminator, before)
    assert {"adversarial", "adaptive_weight", "discriminator"} <= set(second)
    expected = second["l1"] + second["perceptual"] + second["regulariser"]
    expected = expected + 0.8 * second["adaptive_weight"] * second["adversarial"]
    torch.testing.assert_close(second["total"], expected)


def test_a_loss_that_is_not_finite_stops_before_the_weights_change(make_step, batch):
    step = make_step("f8-d16-S8-K64", start=1)
    step(0, batch)
    before = weights(step.generator), weights(step.discriminator)
    step.perceptual_weight = float("nan")
    with pytest.raises(NumericalError, match=r"step 2: .*total=nan"):
        step(1, batch)
    assert same(step.generator, before[0])
    assert same(step.discriminator, before[1])


@pytest.mark.parametrize("name", ["f8-d16-S8-K64", "kl-f8-d4", "vqgan-f16-d32-K128"])
def test_mixed_precision_trains_both_networks_close_to_fp32(make_step, batch, name):
    losses = {}
    for precision in ("32-true", "bf16-mixed"):
        step = make_step(name, start=1, precision=precision)
        before = weights(step.generator), weights(step.discriminator)
        losses[precision] = step(0, batch)
        assert not same(step.generator, before[0])
        assert not same(step.discriminator, before[1])
        assert all(parameter.dtype == torch.float32 for parameter in step.generator.parameters())
    for key in ("l1", "discriminator"):
        assert losses["bf16-mixed"][key].item() == pytest.approx(losses["32-true"][key].item(), rel=0.05)
