"""A trained tokenizer of any kind, frozen, behind one small interface."""

from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from pqgan.errors import DataError
from pqgan.quantise.ranges import check_form, check_range
from pqgan.records import FeatureNetwork
from pqgan.storage.json_files import in_line, read_object

from .config_check import check_weights

DISTANCES = 2**28
"""Distances to codewords held at a time: 1 GiB in float32."""


class Tokenizer:
    """What evaluation and diffusion see of a tokenizer.

    Attributes:
        model: the diffusers module; fits as `vae` into StableDiffusionPipeline.
        kind: pq, linear, kl, vqgan or tiny.
        factor: downsampling factor F.
        channels: latent channels d.
        source: where the weights come from, and sha256 of their files; None where nobody asked.
        published: what the catalogue of published models says of it, its name as `published`; empty for any other.
    """

    kind: str

    def __init__(self, model):
        self.model = model.eval().requires_grad_(False)
        self.source: FeatureNetwork | None = None
        self.published: dict[str, Any] = {}

    @property
    def factor(self) -> int:
        """F."""
        return 2 ** (len(self.model.config.block_out_channels) - 1)

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
        """Images (B, 3, H, W) of codes (B, S, h, w).

        Raises:
            ValueError: no integers, another shape, or a code outside [0, K): names its subspace and place.
        """
        raise NotImplementedError(f"latents of kind {self.kind} are continuous: they have no codes")

    def round_trip(self, images: Tensor) -> tuple[Tensor, Tensor | None]:
        """Images (B, 3, H, W) in [-1, 1] encoded and decoded once, and what is stored in between.

        That is codes (B, S, h, w) int64, or bytes (B, d, h, w) int64 where latents are stored as such, or None.
        """
        return self.decode(self.encode(images)).clamp(-1, 1), None

    def reconstruct(self, images: Tensor) -> Tensor:
        """Images (B, 3, H, W) in [-1, 1] after one round trip."""
        return self.round_trip(images)[0]

    def subject(self) -> dict[str, Any]:
        """Kind, F, d, codebook, parameter count and what is known of a published model, for metrics.json."""
        parameters = sum(parameter.numel() for parameter in self.model.parameters())
        about = {"kind": self.kind, "F": self.factor, "d": self.channels, **self._codebook(), "parameters": parameters}
        return about | self.published

    def _codebook(self) -> dict[str, int]:
        return {}


class PQTokenizer(Tokenizer):
    @property
    def kind(self) -> str:
        # without a network it is principal components alone
        return "pq" if self.model.has_trunk or self.model.refinement is not None else "linear"

    @property
    def factor(self) -> int:
        return self.model.factor

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
        shortcut = {} if self.kind == "linear" or self.model.linear is None else {"shortcut": self.model.shortcut}
        return {"S": self.model.config.S, "K": self.model.config.K, **shortcut}


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
        return self.model.config.vq_embed_dim or self.model.config.latent_channels

    def encode(self, images, latent="z_q"):
        z_e = self.model.encode(images).latents
        return z_e if latent == "z_e" else self._quantise(z_e)[0]

    def decode(self, latents):
        # as PQModel does: latents are brought onto the codebook first
        return self._decode(self._quantise(latents)[0])

    def codes(self, images):
        return self._quantise(self.model.encode(images).latents)[1]

    def decode_codes(self, codes):
        if codes.dim() != 4:
            raise ValueError(f"decode_codes: got codes {tuple(codes.shape)}; expected (B, 1, h, w)")
        check_form("decode_codes", codes, 1)
        check_range("decode_codes", codes, self.model.config.num_vq_embeddings)
        B, _, h, w = codes.shape
        z_q = self.model.quantize.get_codebook_entry(codes.long().flatten(), (B, h, w, self.channels))  # (B, d, h, w)
        return self._decode(z_q)

    def round_trip(self, images):
        z_q, codes = self._quantise(self.model.encode(images).latents)
        return self._decode(z_q).clamp(-1, 1), codes

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

    def _decode(self, z_q: Tensor) -> Tensor:
        # not VQModel.decode, which with lookup_from_codebook takes what is not to be quantised for indices
        spatial = z_q if self.model.config.norm_type == "spatial" else None
        return self.model.decoder(self.model.post_quant_conv(z_q), spatial)

    def _codebook(self):
        return {"S": 1, "K": self.model.config.num_vq_embeddings}


class TinyTokenizer(Tokenizer):
    kind = "tiny"

    @property
    def factor(self) -> int:
        return 2 ** (len(self.model.config.encoder_block_out_channels) - 1)

    @property
    def channels(self) -> int:
        return self.model.config.latent_channels

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


KINDS: dict[str, type[Tokenizer]] = {
    "PQModel": PQTokenizer,
    "AutoencoderKL": KLTokenizer,
    "VQModel": VQGANTokenizer,
    "AutoencoderTiny": TinyTokenizer,
}
"""Of a diffusers class, by its name."""


def wrap(model) -> Tokenizer:
    """The interface around a model of one of the kinds."""
    return KINDS[type(model).__name__](model)


def load_model(folder: Path | str):
    """The diffusers model of a folder, ours or published, by the class its config.json names; in float32.

    Raises:
        DataError: no config.json there, a class that is no tokenizer, or not exactly its weights.
    """
    folder = Path(folder)
    path = folder / "config.json"
    config = read_object(path, "the folder of a trained tokenizer")
    name = config.get("_class_name")
    if not isinstance(name, str) or name not in KINDS:
        raise DataError(f"{path}: _class_name is {in_line(repr(name))}; expected {', '.join(KINDS)}")
    if name == "PQModel":
        from .model import PQModel as cls
    else:
        import diffusers

        cls = getattr(diffusers, name)
    # what is missing the library fills with random numbers, and it allocates before it compares
    check_weights(cls, config, folder)
    try:
        # half precision and fp8 are how weights are stored, not how they compute
        return cls.from_pretrained(folder, torch_dtype=torch.float32, use_safetensors=True, low_cpu_mem_usage=False)
    except (OSError, ValueError, TypeError, RuntimeError) as error:
        raise DataError(f"{folder}: cannot be loaded as {name}: {in_line(error)}") from None


def load_tokenizer(folder: Path | str) -> Tokenizer:
    """A trained tokenizer, frozen and in evaluation mode."""
    return wrap(load_model(folder))
