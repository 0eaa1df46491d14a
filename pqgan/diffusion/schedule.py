"""The noise schedule of latent diffusion."""

from diffusers import DDIMScheduler


def noise_schedule(beta_start: float, beta_end: float, prediction_type: str) -> DDIMScheduler:
    """1000 steps, betas linear in their square roots, and DDIM as latent diffusion and Stable Diffusion set it."""
    return DDIMScheduler(
        num_train_timesteps=1000,
        beta_schedule="scaled_linear",
        beta_start=beta_start,
        beta_end=beta_end,
        prediction_type=prediction_type,
        clip_sample=False,
        set_alpha_to_one=False,
        steps_offset=1,
    )
