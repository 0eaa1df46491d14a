"""The plain reference step computes what ours does."""

import pytest
import torch

from pqgan.bench.plain_step import LoopedQuantiser, ReferenceStep
from pqgan.quantise.product import ProductQuantiser

KINDS = ["f8-d16-S8-K64", "f8-d16-S1-K64", "kl-f8-d4", "vqgan-f16-d32-K128"]


@pytest.mark.parametrize(("S", "beta_on"), [(1, "codebook"), (4, "commitment"), (8, "codebook")])
def test_the_loop_over_subspaces_is_the_product_quantiser(S, beta_on):
    torch.manual_seed(0)
    quantiser = ProductQuantiser(8, S, 20, init="normal", beta_on=beta_on)
    looped = LoopedQuantiser(quantiser)
    z_e = torch.randn(3, 8, 5, 4)
    inputs = [z_e.clone().requires_grad_() for _ in range(2)]
    ours, theirs = quantiser(inputs[0]), looped(inputs[1])
    assert torch.equal(ours.codes, theirs.codes)
    torch.testing.assert_close(ours.z_q, theirs.z_q)  # common code adds the difference back: z_e + (z_q - z_e)
    torch.testing.assert_close(ours.loss, theirs.loss)
    for output in (ours, theirs):
        (output.loss + (output.z_q * z_e.sin()).sum()).backward()
    torch.testing.assert_close(inputs[0].grad, inputs[1].grad)
    codebooks = torch.stack([embedding.weight.grad for embedding in looped.embeddings])
    torch.testing.assert_close(quantiser.codebooks.grad, codebooks)


@pytest.mark.parametrize("name", KINDS)
def test_losses_and_gradients_are_ours(make_step, batch, name):
    ours, theirs = make_step(name), make_step(name)
    reference = ReferenceStep(
        theirs.generator,
        theirs.discriminator,
        theirs.step.perceptual,
        # so small that the discriminator's own forward pass, which comes after the generator's update, sees no other
        learning_rate=1e-12,
        betas=(0.5, 0.9),
        perceptual_weight=ours.step.perceptual_weight,
        discriminator_weight=ours.step.discriminator_weight,
    )
    expected = ours.update(0, batch)
    losses = reference(batch.images, lambda shape: ours.step.draws.normal(0, "posterior", shape))
    assert losses.keys() == expected.keys()
    for key, value in expected.items():
        assert losses[key].item() == pytest.approx(value.item(), rel=1e-4, abs=1e-6), key
    for network in ("generator", "discriminator"):
        mine = dict(getattr(ours, network).named_parameters())
        for key, parameter in getattr(theirs, network).named_parameters():
            if key in mine:  # codebooks have other names
                largest = max(float(parameter.grad.abs().max()) for parameter in mine.values())
                torch.testing.assert_close(parameter.grad, mine[key].grad, rtol=1e-4, atol=1e-5 * largest, msg=key)


def test_both_networks_learn(make_step, batch):
    parts = make_step(KINDS[0])
    reference = ReferenceStep(
        parts.generator,
        parts.discriminator,
        parts.step.perceptual,
        learning_rate=1e-3,
        betas=(0.5, 0.9),
        perceptual_weight=1.0,
        discriminator_weight=0.0,
    )
    losses = [reference(batch.images, torch.randn) for _ in range(40)]
    # a single loss leaps, and elsewhere on another CPU
    assert sum(each["l1"] for each in losses[-5:]) / 5 < 0.8 * losses[0]["l1"]
    assert losses[-1]["discriminator"] < losses[0]["discriminator"]
