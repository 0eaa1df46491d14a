"""diffusers' AutoencoderKL: continuous latents, regularised towards a normal distribution."""

from ..losses import kl_to_standard_normal
from .base import Tokenizer, trunk_options


class KLTokenizer(Tokenizer):
    kind = network = "kl"
    model_class = "AutoencoderKL"

    @staticmethod
    def build(config, trunk, reading):
        from diffusers import AutoencoderKL

        return AutoencoderKL(latent_channels=config.d, scaling_factor=1.0, **trunk_options(trunk))

    @staticmethod
    def noise_shape(model, images):
        factor = 2 ** (len(model.config.block_out_channels) - 1)
        return len(images), model.config.latent_channels, images.shape[2] // factor, images.shape[3] // factor

    @staticmethod
    def reconstruct_in_training(model, config, images, noise):
        posterior = model.encode(images).latent_dist
        sample = model.decode(posterior.mean + posterior.std * noise.to(posterior.mean)).sample
        # latent diffusion sums its reconstruction loss over values where ours is a mean: the KL is divided alike
        values = images[0].numel()
        return sample, config.kl_weight * kl_to_standard_normal(posterior.mean, posterior.logvar) / values

    def encode(self, images, latent="z_q"):
        # continuous: the mode of the posterior whichever latent is asked for
        return self.model.encode(images).latent_dist.mode()
