"""diffusers' AutoencoderTiny, of published models: latents that are stored as bytes."""

from torch import Tensor

from .base import Tokenizer


class TinyTokenizer(Tokenizer):
    kind = network = "tiny"
    model_class = "AutoencoderTiny"

    @property
    def factor(self) -> int:
        return 2 ** (len(self.model.config.encoder_block_out_channels) - 1)

    def encode(self, images, latent="z_q"):
        z_e = self.model.encode(images).latents
        return z_e if latent == "z_e" else self._latents(self._stored(z_e))

    def round_trip(self, images):
        stored = self._stored(self.model.encode(images).latents)
        return self.decode(self._latents(stored)).clamp(-1, 1), stored.long()

    def _stored(self, z_e: Tensor) -> Tensor:
        # AutoencoderTiny's own forward stores its latents as bytes
        return self.model.scale_latents(z_e).mul(255).round().byte()

    def _latents(self, stored: Tensor) -> Tensor:
        return self.model.unscale_latents(stored / 255.0)
