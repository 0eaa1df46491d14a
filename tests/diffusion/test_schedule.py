"""The noise schedule, number by number: latent diffusion's, sampled at its times."""

import pytest
import torch

from pqgan.diffusion.schedule import noise_schedule


def test_times_and_noise_are_latent_diffusion_s():
    scheduler = noise_schedule(0.00085, 0.012, "v_prediction")
    scheduler.set_timesteps(4)
    assert scheduler.timesteps.tolist() == [751, 501, 251, 1]
    alphas = (1 - torch.linspace(0.00085**0.5, 0.012**0.5, 1000, dtype=torch.float64) ** 2).cumprod(0)
    torch.testing.assert_close(scheduler.alphas_cumprod.double(), alphas, rtol=1e-4, atol=1e-6)
    # the last step ends at the first time's noise, not at none
    assert float(scheduler.final_alpha_cumprod) == pytest.approx(float(alphas[0]), rel=1e-6)
    assert not scheduler.config.clip_sample
