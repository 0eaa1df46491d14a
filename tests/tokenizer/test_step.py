"""One update of each kind of tokenizer, against the plain VQGAN formulation."""

import pytest
import torch

KINDS = ["f8-d16-S8-K64", "kl-f8-d4", "vqgan-f16-d32-K128"]


def weights(network):
    return [parameter.detach().clone() for parameter in network.parameters()]


def same(network, before):
    return all(torch.equal(now, then) for now, then in zip(network.parameters(), before, strict=True))


def gradients(network):
    return {name: parameter.grad.clone() for name, parameter in network.named_parameters()}


def plain(parts, images, noise):
    """All losses added up and one backward pass through everything; gradients of both networks and the losses."""
    generator, discriminator, perceptual = parts.generator, parts.discriminator, parts.step.perceptual
    last = generator.model.decoder.conv_out.weight
    sample, regulariser, _ = generator(images, noise)
    reconstruction = (images - sample).abs().mean() + parts.step.perceptual_weight * perceptual(sample, images).mean()
    fooled = -discriminator(sample).mean()
    (by_reconstruction,) = torch.autograd.grad(reconstruction, last, retain_graph=True)
    (by_adversary,) = torch.autograd.grad(fooled, last, retain_graph=True)
    weight = by_reconstruction.norm() / (by_adversary.norm() + 1e-4)
    total = reconstruction + regulariser + parts.step.discriminator_weight * weight * fooled
    total.backward()
    of_generator = gradients(generator)
    discriminator.zero_grad()
    real, fake = discriminator(images), discriminator(sample.detach())
    loss = 0.5 * (torch.relu(1 - real).mean() + torch.relu(1 + fake).mean())
    loss.backward()
    losses = {"total": total, "adaptive_weight": weight, "adversarial": fooled, "discriminator": loss}
    return of_generator, gradients(discriminator), losses


def ours(parts, batch):
    """The same from the step."""
    found, losses = {}, {}
    for update in parts.step(0, batch):
        parts.generator.zero_grad()
        parts.discriminator.zero_grad()
        parts.fabric.backward(update.loss)
        found[update.optimiser] = gradients(getattr(parts, update.optimiser))
        losses |= update.losses
    return found["generator"], found["discriminator"], losses


def assert_same_gradients(found, expected, tolerance):
    largest = max(gradient.abs().max() for gradient in expected.values())
    for name, gradient in expected.items():
        # a weight whose gradient is nothing but rounding, as of a bias before a norm, has no digits to compare
        torch.testing.assert_close(found[name], gradient, rtol=tolerance, atol=tolerance * float(largest), msg=name)


@pytest.mark.parametrize(
    ("name", "normalisation"),
    [(KINDS[0], "minus_one_one"), (KINDS[0], "imagenet"), *((kind, "imagenet") for kind in KINDS[1:])],
)
def test_gradients_are_those_of_the_losses_added_up(make_step, batch, name, normalisation):
    parts = make_step(name, normalisation=normalisation)
    shape = parts.generator.noise_shape(batch.images)
    noise = parts.step.draws.normal(0, "posterior", shape) if shape else None
    *expected, expected_losses = plain(parts, batch.images, noise)
    *found, losses = ours(parts, batch)
    for theirs, mine in zip(expected, found, strict=True):
        assert_same_gradients(mine, theirs, 1e-5)
    for key, value in expected_losses.items():
        assert losses[key].item() == pytest.approx(value.item(), rel=1e-5)


@pytest.mark.parametrize("name", KINDS)
def test_mixed_precision_gradients_are_close_to_those_of_fp32(make_step, batch, name):
    found = {precision: ours(make_step(name, precision=precision), batch) for precision in ("32-true", "bf16-mixed")}
    for mixed, full in zip(found["bf16-mixed"][:2], found["32-true"][:2], strict=True):
        assert all(gradient.dtype == torch.float32 for gradient in mixed.values())
        mixed, full = (torch.cat([gradient.flatten() for gradient in each.values()]) for each in (mixed, full))
        assert torch.nn.functional.cosine_similarity(mixed, full, dim=0) > 0.98
    for key, value in found["32-true"][2].items():
        assert found["bf16-mixed"][2][key].item() == pytest.approx(value.item(), rel=0.05, abs=0.02)


def test_a_generator_update_gives_no_gradient_to_other_networks(make_step, batch):
    parts = make_step(KINDS[0])
    updates = parts.step(0, batch)
    parts.fabric.backward(next(updates).loss)
    assert all(parameter.grad is not None for parameter in parts.generator.parameters())
    assert all(parameter.grad is None for parameter in parts.discriminator.parameters())
    parts.generator.zero_grad()
    parts.fabric.backward(next(updates).loss)
    assert all(parameter.grad is not None for parameter in parts.discriminator.parameters())
    assert all(parameter.grad is None for parameter in parts.generator.parameters())
    assert all(parameter.grad is None for parameter in parts.step.perceptual.parameters())
    assert list(updates) == []


def test_the_perceptual_network_goes_back_once_and_keeps_no_graph_of_real_images(make_step, batch):
    parts = make_step(KINDS[0])
    outputs, backward_passes = [], []

    def note(network, inputs, features):
        outputs.append(features[-1].grad_fn)
        if features[-1].requires_grad:
            features[-1].register_hook(lambda gradient: backward_passes.append(gradient.shape))

    parts.step.perceptual.network.net.register_forward_hook(note)
    parts.update(0, batch)
    reconstruction, real = outputs  # one pass each
    assert reconstruction is not None
    assert real is None
    assert len(backward_passes) == 1


def test_what_entered_the_last_layer_is_kept_in_training_only(make_step, batch):
    generator = make_step(KINDS[0]).generator
    sample, _, entering = generator(batch.images, None)
    assert generator._entering is None
    assert not entering.requires_grad
    model, last = generator.model, generator.last_layer
    leaving = torch.nn.functional.conv2d(entering, last.weight, last.bias, padding=1)
    torch.testing.assert_close(model.value_range(leaving, way="leave"), sample)
    with torch.no_grad():
        assert generator(batch.images, None)[2] is None
    assert generator.eval()(batch.images, None)[2] is None


@pytest.mark.parametrize("name", KINDS)
def test_every_kind_learns_to_reconstruct(make_step, batch, name):
    parts = make_step(name, start=1000)
    losses = [parts.update(number, batch)["l1"].item() for number in range(20)]
    assert losses[-1] < 0.8 * losses[0]


def test_discriminator_rests_until_its_start(make_step, batch):
    parts = make_step(KINDS[0], start=2)
    before = weights(parts.discriminator)
    first = parts.update(0, batch)
    assert same(parts.discriminator, before)
    assert set(first) == {"l1", "perceptual", "regulariser", "total"}
    second = parts.update(1, batch)
    assert not same(parts.discriminator, before)
    assert set(second) == {*first, "adversarial", "adaptive_weight", "discriminator"}
    expected = second["l1"] + second["perceptual"] + second["regulariser"]
    expected = expected + parts.step.discriminator_weight * second["adaptive_weight"] * second["adversarial"]
    torch.testing.assert_close(second["total"], expected)


@pytest.mark.parametrize("name", KINDS)
def test_mixed_precision_changes_the_weights_of_both_networks_in_fp32(make_step, batch, name):
    parts = make_step(name, precision="bf16-mixed")
    before = weights(parts.generator), weights(parts.discriminator)
    parts.update(0, batch)
    assert not same(parts.generator, before[0])
    assert not same(parts.discriminator, before[1])
    assert all(parameter.dtype == torch.float32 for parameter in parts.generator.parameters())
