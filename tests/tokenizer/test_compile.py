"""torch.compile of the networks of a step."""

import shutil

import pytest
import torch

PQ = "f8-d16-S8-K64"
KINDS = [PQ, *(pytest.param(name, marks=pytest.mark.thorough) for name in ("kl-f8-d4", "vqgan-f16-d32-K128"))]


@pytest.fixture(autouse=True)
def fresh():
    torch.compiler.reset()
    torch._dynamo.utils.counters.clear()  # which a reset leaves as they are
    yield
    torch.compiler.reset()


def assert_same_losses(found, expected, **tolerance):
    assert found.keys() == expected.keys()
    for key, value in expected.items():
        assert found[key].item() == pytest.approx(value.item(), **tolerance), key


@pytest.mark.parametrize("name", KINDS)
def test_no_network_of_the_step_breaks_into_several_graphs(make_step, batch, name):
    """And gradients that end at the reconstruction or at the last layer pass through what was compiled."""
    expected = make_step(name)
    parts = make_step(name)
    for network in (parts.generator, parts.discriminator, parts.step.perceptual):
        network.compile(fullgraph=True, backend="aot_eager")  # raises at a break
    backward_passes = []
    parts.generator.model.decoder.conv_out.weight.register_hook(lambda gradient: backward_passes.append(1))
    for number in range(2):
        assert_same_losses(parts.update(number, batch), expected.update(number, batch), rel=1e-3, abs=1e-5)
    assert len(backward_passes) == 2  # one an update, although the adaptive weight wants gradients there too


@pytest.mark.thorough
@pytest.mark.skipif(not shutil.which("g++"), reason="no C++ compiler")
def test_compiled_training_has_the_losses_of_an_eager_one(make_step, batch):
    expected, parts = make_step(PQ), make_step(PQ, compile=True, channels_last=True)
    for number in range(3):
        assert_same_losses(parts.update(number, batch), expected.update(number, batch), rel=1e-2, abs=1e-4)
    counters = torch._dynamo.utils.counters
    assert not counters["graph_break"]
    assert counters["stats"]["unique_graphs"] == 4  # generator, perceptual network, discriminator in two uses
