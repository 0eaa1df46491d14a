"""The losses of VQGAN against formulas worked out by hand."""

import pytest
import torch

from pqgan.tokenizer.discriminator import PatchGAN
from pqgan.tokenizer.losses import adaptive_weight, hinge_discriminator, hinge_generator, kl_to_standard_normal


def test_hinge_losses_by_hand():
    real, fake = torch.tensor([2.0, 0.5]), torch.tensor([-2.0, 0.0])
    assert hinge_generator(fake).item() == pytest.approx(1.0)  # -(-2 + 0) / 2
    assert hinge_discriminator(real, fake).item() == pytest.approx(0.5 * (0.25 + 0.5))


def test_adaptive_weight_is_the_ratio_of_gradient_norms():
    assert adaptive_weight(torch.tensor([3.0, 4.0]), torch.tensor([0.0, 2.0])).item() == pytest.approx(5 / (2 + 1e-4))


def test_adaptive_weight_is_bounded_where_the_adversary_has_no_gradient():
    assert adaptive_weight(torch.tensor([1e6]), torch.tensor([0.0])).item() == 1e4


def test_kl_is_zero_for_the_standard_normal_and_right_for_another():
    zeros = torch.zeros(2, 1, 2, 2)
    assert kl_to_standard_normal(zeros, zeros).item() == 0
    # a unit shift costs 1/2 a value, four values an image
    assert kl_to_standard_normal(zeros + 1, zeros).item() == pytest.approx(2)
    divergence = torch.distributions.kl_divergence(
        torch.distributions.Normal(0.3, 2.0), torch.distributions.Normal(0, 1)
    )
    logvar = torch.full_like(zeros, 4.0).log()
    assert kl_to_standard_normal(zeros + 0.3, logvar).item() == pytest.approx(4 * divergence.item(), rel=1e-5)


def test_patchgan_has_the_paper_s_size_and_field_of_view():
    discriminator = PatchGAN(64, 3)
    assert sum(parameter.numel() for parameter in discriminator.parameters()) / 1e6 == pytest.approx(2.77, abs=0.01)
    assert discriminator(torch.zeros(2, 3, 256, 256)).shape == (2, 1, 30, 30)
