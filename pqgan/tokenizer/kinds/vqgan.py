"""diffusers' VQModel: one codebook for whole latent vectors, as VQGAN has it."""

import torch
from torch import Tensor

from pqgan.quantise.ranges import check_form, check_range

from .base import Tokenizer, trunk_options

DISTANCES = 2**28
"""Distances to codewords held at a time: 1 GiB in float32."""


class VQGANTokenizer(Tokenizer):
    kind = network = "vqgan"
    model_class = "VQModel"

    @staticmethod
    def build(config, trunk, reading):
        from diffusers import VQModel

        shared = trunk_options(trunk) | {"vq_embed_dim": config.d, "num_vq_embeddings": config.K}
        return VQModel(latent_channels=trunk.z_channels, scaling_factor=1.0, **shared)

    @staticmethod
    def reconstruct_in_training(model, config, images, noise):
        z_q, commitment, _ = model.quantize(model.encode(images).latents)
        return model.decode(z_q, force_not_quantize=True).sample, commitment

    @property
    def channels(self) -> int:
        return self.model.config.vq_embed_dim or self.model.config.latent_channels

    def encode(self, images, latent="z_q"):
        z_e = self.model.encode(images).latents
        return z_e if latent == "z_e" else self._quantise(z_e)[0]

    def decode(self, latents):
        # as PQModel does: latents are brought onto the codebook first
        return self.decode_unquantised(self._quantise(latents)[0])

    def decode_unquantised(self, latents):
        # not VQModel.decode, which with lookup_from_codebook takes what is not to be quantised for indices
        spatial = latents if self.model.config.norm_type == "spatial" else None
        return self.model.decoder(self.model.post_quant_conv(latents), spatial)

    def codes(self, images):
        return self._quantise(self.model.encode(images).latents)[1]

    def decode_codes(self, codes):
        if codes.dim() != 4:
            raise ValueError(f"decode_codes: got codes {tuple(codes.shape)}; expected (B, 1, h, w)")
        check_form("decode_codes", codes, 1)
        check_range("decode_codes", codes, self.model.config.num_vq_embeddings)
        B, _, h, w = codes.shape
        z_q = self.model.quantize.get_codebook_entry(codes.long().flatten(), (B, h, w, self.channels))  # (B, d, h, w)
        return self.decode_unquantised(z_q)

    def round_trip(self, images):
        z_q, codes = self._quantise(self.model.encode(images).latents)
        return self.decode_unquantised(z_q).clamp(-1, 1), codes

    def _quantise(self, z_e: Tensor) -> tuple[Tensor, Tensor]:
        h, w = z_e.shape[2:]
        # images in blocks: a batch against 100 000 codewords would not fit into memory at once
        block = max(1, DISTANCES // (h * w * self.model.config.num_vq_embeddings))
        z_q, codes = [], []
        for part in z_e.split(block):
            quantised, _, (_, _, indices) = self.model.quantize(part)  # (b, d, h, w), (b h w)
            z_q.append(quantised)
            codes.append(indices.view(-1, 1, h, w))
        return torch.cat(z_q), torch.cat(codes)

    def _codebook(self):
        return {"S": 1, "K": self.model.config.num_vq_embeddings}
