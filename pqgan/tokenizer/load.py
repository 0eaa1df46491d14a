"""A trained tokenizer of any kind, frozen, behind one small interface."""

import json
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from pqgan.errors import DataError


class Tokenizer:
    """What evaluation and diffusion see of a tokenizer.

    Attributes:
        model: the diffusers module; fits as `vae` into StableDiffusionPipeline.
        kind: pq, kl or vqgan.
        factor: downsampling factor F.
        channels: latent channels d.
    """

    kind: str

    def __init__(self, model):
        self.model = model.eval().requires_grad_(False)
        self.factor = 2 ** (len(model.config.block_out_channels) - 1)

    @property
    def scaling_factor(self) -> float:
        return self.model.config.scaling_factor

    def to(self, device: torch.device | str) -> "Tokenizer":
        self.model.to(device)
        return self

    def encode(self, images: Tensor, latent: Literal["z_q", "z_e"] = "z_q") -> Tensor:
        """Latents (B, d, h, w), not multiplied by scaling_factor, of images (B, 3, H, W) in [-1, 1]."""
        raise NotImplementedError

    def decode(self, latents: Tensor) -> Tensor:
        """Images (B, 3, H, W) of latents (B, d, h, w), not multiplied by scaling_factor."""
        return self.model.decode(latents, return_dict=False)[0]

    def codes(self, images: Tensor) -> Tensor | None:
        """Codes (B, S, h, w) int64, or None where the latents are continuous."""
        return None

    def decode_codes(self, codes: Tensor) -> Tensor:
        """Images (B, 3, H, W) of codes (B, S, h, w)."""
        raise NotImplementedError(f"latents of kind {self.kind} are continuous: they have no codes")

    def round_trip(self, images: Tensor) -> tuple[Tensor, Tensor | None]:
        """Images (B, 3, H, W) in [-1, 1] encoded and decoded once, and the codes in between."""
        return self.decode(self.encode(images)).clamp(-1, 1), None

    def reconstruct(self, images: Tensor) -> Tensor:
        """Images (B, 3, H, W) in [-1, 1] after one round trip."""
        return self.round_trip(images)[0]

    def subject(self) -> dict[str, Any]:
        """Kind, F, d, codebook and parameter count, for metrics.json."""
        parameters = sum(parameter.numel() for parameter in self.model.parameters())
        return {"kind": self.kind, "F": self.factor, "d": self.channels, **self._codebook(), "parameters": parameters}

    def _codebook(self) -> dict[str, int]:
        return {}


class PQTokenizer(Tokenizer):
    kind = "pq"

    @property
    def channels(self) -> int:
        return self.model.config.d

    def encode(self, images, latent="z_q"):
        return self.model.encode_continuous(images) if latent == "z_e" else self.model.encode(images).latents

    def codes(self, images):
        return self.model.encode_to_codes(images)

    def decode_codes(self, codes):
        return self.model.decode_from_codes(codes)

    def round_trip(self, images):
        codes = self.codes(images)
        # decode() would quantise what is quantised already
        return self.decode_codes(codes).clamp(-1, 1), codes

    def _codebook(self):
        return {"S": self.model.config.S, "K": self.model.config.K}


class KLTokenizer(Tokenizer):
    kind = "kl"

    @property
    def channels(self) -> int:
        return self.model.config.latent_channels

    def encode(self, images, latent="z_q"):
        # continuous: the mode of the posterior whichever latent is asked for
        return self.model.encode(images).latent_dist.mode()


class VQGANTokenizer(Tokenizer):
    kind = "vqgan"

    @property
    def channels(self) -> int:
        return self.model.config.vq_embed_dim

    def encode(self, images, latent="z_q"):
        z_e = self.model.encode(images).latents
        return z_e if latent == "z_e" else self.model.quantize(z_e)[0]

    def codes(self, images):
        return self._quantise(images)[1]

    def decode_codes(self, codes):
        B, _, h, w = codes.shape
        z_q = self.model.quantize.get_codebook_entry(codes.flatten(), (B, h, w, self.channels))  # (B, d, h, w)
        return self.model.decode(z_q, force_not_quantize=True).sample

    def round_trip(self, images):
        z_q, codes = self._quantise(images)
        return self.model.decode(z_q, force_not_quantize=True).sample.clamp(-1, 1), codes

    def _quantise(self, images):
        z_e = self.model.encode(images).latents  # (B, d, h, w)
        z_q, _, (_, _, indices) = self.model.quantize(z_e)  # indices (B h w)
        return z_q, indices.view(z_e.shape[0], 1, *z_e.shape[2:])

    def _codebook(self):
        return {"S": 1, "K": self.model.config.num_vq_embeddings}


def wrap(model) -> Tokenizer:
    """The interface around a model of one of the three kinds."""
    kinds = {"PQModel": PQTokenizer, "AutoencoderKL": KLTokenizer, "VQModel": VQGANTokenizer}
    return kinds[type(model).__name__](model)


def load_model(folder: Path | str):
    """The diffusers model of a trained folder, by the class its config.json names.

    Raises:
        DataError: no config.json there, a class that is no tokenizer, or not exactly its weights.
    """
    path = Path(folder) / "config.json"
    try:
        name = json.loads(path.read_text()).get("_class_name")
    except FileNotFoundError:
        raise DataError(f"{path}: no such file; expected the folder of a trained tokenizer") from None
    except json.JSONDecodeError:
        raise DataError(f"{path}: not JSON; expected the configuration of a trained tokenizer") from None
    if name == "PQModel":
        from .model import PQModel as cls
    elif name in ("AutoencoderKL", "VQModel"):
        import diffusers

        cls = getattr(diffusers, name)
    else:
        raise DataError(f"{path}: _class_name is {name!r}; expected PQModel, AutoencoderKL or VQModel")
    options = {"use_safetensors": True, "low_cpu_mem_usage": False, "output_loading_info": True}
    try:
        model, info = cls.from_pretrained(folder, **options)
    except (OSError, ValueError, TypeError, RuntimeError) as error:
        raise DataError(f"{folder}: cannot be loaded as {name}: {' '.join(str(error).split())[:300]}") from None
    # left to itself, the library fills what is missing with random numbers
    if wrong := [f"{kind.replace('_', ' ')} {', '.join(map(str, keys))[:200]}" for kind, keys in info.items() if keys]:
        raise DataError(f"{folder}: not the weights of this {name}: {'; '.join(wrong)}")
    return model


def load_tokenizer(folder: Path | str) -> Tokenizer:
    """A trained tokenizer, frozen and in evaluation mode."""
    return wrap(load_model(folder))
