"""ResidualQuantiser: search, loss and gradients against references written out in float64."""

import pytest
import torch
from quantiser_laws import QuantiserLaws

from pqgan.quantise.product import ProductQuantiser
from pqgan.quantise.residual import ResidualQuantiser


class TestLaws(QuantiserLaws):
    def options(self):
        return {"kind": "rq", "D": 3, "K": 11, "init": "normal"}


def latents(d, seed=0):
    return torch.randn(2, d, 5, 3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).float()


def seeded(d, D, K, **arguments):
    torch.manual_seed(0)
    return ResidualQuantiser(d, D, K, init="normal", **arguments)


def reference(z_e, codebook, D, beta, beta_on):
    """Greedy codes (N, D), partial sums' loss and z_q (N, d) of vectors (N, d), by autograd."""
    left, total, codes, loss = z_e.detach(), torch.zeros_like(z_e), [], 0
    on_codebook, on_latents = (beta, 1) if beta_on == "codebook" else (1, beta)
    for _ in range(D):
        nearest = (left[:, None] - codebook.detach()).square().sum(-1).argmin(1)  # (N,)
        word = codebook[nearest]
        codebook_term = (word - left).square().mean()
        left = left - word.detach()
        total = total + word.detach()
        commitment_term = (z_e - total).square().mean()
        loss = loss + (on_codebook * codebook_term + on_latents * commitment_term) / D
        codes.append(nearest)
    return torch.stack(codes, 1), loss, z_e + (total - z_e).detach()


def flat(maps):
    return maps.permute(0, 2, 3, 1).flatten(0, 2)


@pytest.mark.parametrize("beta_on", ["codebook", "commitment"])
@pytest.mark.parametrize("D", [1, 2, 5])
def test_codes_loss_and_gradients_are_those_of_float64(D, beta_on):
    quantiser = seeded(6, D, 20, beta=0.3, beta_on=beta_on)
    z_e, weights = latents(6).requires_grad_(), latents(6, seed=1)
    exact = z_e.detach().double().requires_grad_()
    codebook = quantiser.codebook.detach().double().requires_grad_()

    z_q, codes, loss = quantiser(z_e)
    ((z_q * weights).sum() + 7 * loss).backward()
    expected_codes, expected_loss, expected = reference(flat(exact), codebook, D, 0.3, beta_on)
    ((expected * flat(weights)).sum() + 7 * expected_loss).backward()

    assert torch.equal(flat(codes), expected_codes)
    torch.testing.assert_close(flat(z_q).double(), expected, rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(loss.double(), expected_loss)
    torch.testing.assert_close(z_e.grad.double(), exact.grad)
    torch.testing.assert_close(quantiser.codebook.grad.double(), codebook.grad)


@pytest.mark.parametrize("beta_on", ["codebook", "commitment"])
def test_of_depth_one_it_is_the_product_quantiser_of_one_subspace(beta_on):
    ours, product = seeded(6, 1, 20, beta_on=beta_on), ProductQuantiser(6, 1, 20, beta_on=beta_on)
    product.codebooks.data = ours.codebook.data[None].clone()
    found = []
    for quantiser in (ours, product):
        z_e = latents(6).requires_grad_()
        z_q, codes, loss = quantiser(z_e)
        ((z_q * latents(6, seed=1)).sum() + loss).backward()
        found.append((z_q, codes, loss, z_e.grad, next(quantiser.parameters()).grad.view(20, 6)))
    for one, other in zip(*found, strict=True):
        assert torch.equal(one, other)


def test_trained_words_bring_the_sum_nearer_at_every_depth():
    quantiser = seeded(4, 4, 16)
    optimiser = torch.optim.Adam(quantiser.parameters(), 0.03)
    for step in range(150):
        optimiser.zero_grad()
        quantiser(latents(4, seed=step)).loss.backward()
        optimiser.step()
    z_e = latents(4, seed=200)
    words = quantiser.codebook.detach()[quantiser.encode(z_e)]  # (B, D, h, w, d)
    errors = (words.cumsum(1).permute(0, 1, 4, 2, 3) - z_e[:, None]).square().mean(dim=(0, 2, 3, 4))
    assert (errors.diff() < 0).all()
    assert errors[0] < 0.7 * z_e.square().mean()
    assert errors[-1] < 0.3 * errors[0]


def test_initial_codewords_are_those_of_the_reading():
    torch.manual_seed(3)
    expected = torch.empty(50, 4).uniform_(-1 / 50, 1 / 50)
    torch.manual_seed(3)
    assert torch.equal(ResidualQuantiser(4, 2, 50).codebook.detach(), expected)
    assert ResidualQuantiser(64, 2, 50, "normal").codebook.std().item() == pytest.approx(1, abs=0.1)


def test_it_agrees_with_vector_quantize_pytorch():
    library = pytest.importorskip("vector_quantize_pytorch")
    ours = seeded(6, 3, 20)
    theirs = library.ResidualVQ(dim=6, codebook_size=20, num_quantizers=3, shared_codebook=True).eval()
    for layer in theirs.layers:
        layer._codebook.embed.data.copy_(ours.codebook.detach()[None])
    z_e = latents(6)
    quantised, codes, _ = theirs(flat(z_e)[None])  # (1, N, d), (1, N, D)
    assert torch.equal(flat(ours.encode(z_e)), codes[0])
    torch.testing.assert_close(flat(ours.quantise(z_e)), quantised[0], rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("D", "K", "message"),
    [
        (0, 8, "D is 0; expected a whole number from 1 to 65536"),
        (2**16 + 1, 8, "D is 65537; expected a whole number from 1 to 65536"),
        (2, 1, "K is 1; expected a whole number from 2"),
    ],
)
def test_a_shape_that_cannot_be_is_refused(D, K, message):
    with pytest.raises(ValueError, match=f"ResidualQuantiser: {message}$"):
        ResidualQuantiser(4, D, K)


def test_a_start_that_there_is_not_is_refused():
    with pytest.raises(ValueError, match="ResidualQuantiser: init is 'zeros'; expected uniform or normal"):
        ResidualQuantiser(4, 2, 8, init="zeros")
