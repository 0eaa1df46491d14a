"""ProductQuantiser: its special cases, its loss and its gradients against references written out."""

import pytest
import torch

from pqgan.quantise.product import ProductQuantiser


def latents(d, seed=0):
    return torch.randn(2, d, 5, 3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).float()


def seeded(d, S, K, **arguments):
    torch.manual_seed(0)
    return ProductQuantiser(d, S, K, init="normal", **arguments)


def test_one_subspace_equals_brute_force_vq_in_float64():
    quantiser, z_e = seeded(6, 1, 40), latents(6)
    vectors = z_e.double().permute(0, 2, 3, 1).reshape(-1, 6)  # (N, d)
    codebook = quantiser.codebooks[0].double()  # (K, d)
    nearest = torch.cdist(vectors, codebook, compute_mode="donot_use_mm_for_euclid_dist").argmin(dim=1)
    expected = codebook[nearest].reshape(2, 5, 3, 6).permute(0, 3, 1, 2)
    quantised = quantiser(z_e)
    assert torch.equal(quantised.codes[:, 0].flatten(), nearest)
    assert torch.equal(quantiser.decode(quantised.codes).double(), expected)


def test_a_subspace_a_channel_equals_brute_force_scalar_quantisation_in_float64():
    quantiser, z_e = seeded(6, 6, 16), latents(6)
    values = quantiser.codebooks[:, :, 0].double()  # (d, K)
    gaps = (z_e.double()[:, :, None] - values[None, :, :, None, None]).abs()  # (B, d, K, h, w)
    nearest = gaps.argmin(dim=2)
    assert torch.equal(quantiser(z_e).codes, nearest)
    expected = torch.stack([values[channel][nearest[:, channel]] for channel in range(6)], dim=1)
    assert torch.equal(quantiser.decode(nearest).double(), expected)


@pytest.mark.parametrize("S", [1, 2, 4, 8])
def test_encode_and_decode_are_inverse_on_codewords(S):
    quantiser = seeded(8, S, 32)
    codes = torch.randint(0, 32, (3, S, 4, 4), generator=torch.Generator().manual_seed(0))
    assert torch.equal(quantiser.encode(quantiser.decode(codes)), codes)


@pytest.mark.parametrize("beta_on", ["codebook", "commitment"])
def test_loss_and_gradients_follow_eq_1(beta_on):
    quantiser, z_e = seeded(8, 4, 10, beta_on=beta_on), latents(8).requires_grad_()
    quantised = quantiser(z_e)
    z_q = quantiser.decode(quantised.codes)
    error = z_q - z_e
    assert quantised.loss.item() == pytest.approx(1.25 * error.square().mean().item(), rel=1e-6)
    quantised.loss.backward()
    on_codebook, on_latents = (0.25, 1.0) if beta_on == "codebook" else (1.0, 0.25)
    torch.testing.assert_close(z_e.grad, -2 * on_latents * error.detach() / error.numel())
    (expected,) = torch.autograd.grad((z_q - z_e.detach()).square().mean() * on_codebook, quantiser.codebooks)
    torch.testing.assert_close(quantiser.codebooks.grad, expected)


def test_gradient_passes_straight_through():
    quantiser, z_e = seeded(8, 2, 10), latents(8).requires_grad_()
    weights = latents(8, seed=1)
    (quantiser(z_e).z_q * weights).sum().backward()
    assert torch.equal(z_e.grad, weights)


def test_both_initialisations():
    assert ProductQuantiser(8, 2, 50).codebooks.abs().max() <= 1 / 50
    torch.manual_seed(0)
    assert ProductQuantiser(64, 2, 500, init="normal").codebooks.std().item() == pytest.approx(1, abs=0.02)


def test_half_precision_latents_are_quantised_in_fp32():
    quantiser, z_e = seeded(8, 2, 10), latents(8)
    with torch.autocast("cpu", torch.bfloat16):
        quantised = quantiser(z_e.bfloat16())
    assert quantised.z_q.dtype == torch.float32
    assert torch.equal(quantised.codes, quantiser.encode(z_e.bfloat16().float()))


@pytest.mark.parametrize(("d", "S"), [(8, 8), (8, 2), (32, 2)])
def test_autocast_changes_neither_codes_nor_loss_nor_gradients(d, S):
    found = []
    for enabled in (False, True):
        quantiser, z_e = seeded(d, S, 10), latents(d).requires_grad_()
        with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
            quantised = quantiser(z_e)
        (quantised.loss + quantised.z_q.square().sum()).backward()
        found.append((*quantised, z_e.grad, quantiser.codebooks.grad))
    for plain, mixed in zip(*found, strict=True):
        assert torch.equal(plain, mixed)


def test_latents_that_are_not_finite_make_such_a_loss_in_training_and_an_error_in_encoding():
    quantiser, z_e = seeded(8, 2, 10), latents(8)
    z_e[1, 2, 3, 1] = float("nan")
    assert quantiser(z_e).loss.isnan()
    with pytest.raises(ValueError, match="not finite"):
        quantiser.encode(z_e)


def test_subspaces_must_divide():
    with pytest.raises(ValueError, match="S=3 does not divide d=8"):
        ProductQuantiser(8, 3, 10)
