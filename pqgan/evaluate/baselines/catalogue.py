"""Published tokenizers by name: the rows of Table 1 whose weights are public, and the tiny distilled autoencoders.

`pqgan.weights.catalogue` says under the same name where their files come from, with size and sha256. Rows of Table 1
without public weights (ViT-VQGAN, Mo-VQGAN, RQ-VAE of that size, VQGAN (LDM) at F=4 with K=256) are reported, never
measured; "ldm-vq-f4" is the first stage of that F that its authors published, with another K.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal


@dataclass(frozen=True)
class Published:
    """A published tokenizer."""

    method: str
    """As Table 1 calls it."""
    latent: str
    """As Table 1 calls it; continuous where latents are neither quantised nor regularised."""
    kind: Literal["vqgan", "kl", "tiny"]
    F: int
    d: int
    K: int | None = None
    config: Mapping[str, Any] | None = None
    """Of the diffusers class, where the weights have its keys; None where they are converted from the original's."""

    @property
    def S(self) -> int | None:
        return 1 if self.K else None


def _kl(**own: Any) -> dict[str, Any]:
    return {
        "_class_name": "AutoencoderKL",
        "act_fn": "silu",
        "block_out_channels": [128, 256, 512, 512],
        "down_block_types": ["DownEncoderBlock2D"] * 4,
        "up_block_types": ["UpDecoderBlock2D"] * 4,
        "layers_per_block": 2,
        "latent_channels": 4,
        "norm_num_groups": 32,
        **own,
    }


PUBLISHED: dict[str, Published] = {
    # Esser et al. 2021, trained on ImageNet
    "vqgan-f16-16384": Published("VQGAN", "VQ", "vqgan", 16, 256, 16384),
    "vqgan-f16-1024": Published("VQGAN", "VQ", "vqgan", 16, 256, 1024),
    # Rombach et al. 2022, first stages trained on OpenImages
    "ldm-vq-f16": Published("VQGAN (LDM)", "VQ", "vqgan", 16, 8, 16384),
    "ldm-vq-f8": Published("VQGAN (LDM)", "VQ", "vqgan", 8, 4, 16384),
    "ldm-vq-f4": Published("VQGAN (LDM)", "VQ", "vqgan", 4, 3, 8192),
    # Zhu et al. 2024: codewords are CLIP features behind a linear map
    "vqgan-lc-f16": Published("VQGAN-LC", "VQ", "vqgan", 16, 8, 100_000),
    "vqgan-lc-f8": Published("VQGAN-LC", "VQ", "vqgan", 8, 4, 100_000),
    "ldm-kl-f16": Published("LDM VAE", "KL", "kl", 16, 16),
    "ldm-kl-f8": Published("LDM VAE", "KL", "kl", 8, 4),
    "ldm-kl-f4": Published("LDM VAE", "KL", "kl", 4, 3),
    "sd21-vae": Published("SDv2.1 VAE", "KL", "kl", 8, 4, config=_kl(sample_size=768, scaling_factor=0.18215)),
    "sdxl-vae": Published(
        "SDXL VAE", "KL", "kl", 8, 4, config=_kl(sample_size=1024, scaling_factor=0.13025, force_upcast=True)
    ),
    # Boer Bohan 2023: distilled from the autoencoders of SD 1 and 2, SDXL and SD 3; not in Table 1
    "taesd": Published(
        "TAESD", "continuous", "tiny", 8, 4, config={"_class_name": "AutoencoderTiny", "latent_channels": 4}
    ),
    "taesdxl": Published(
        "TAESDXL", "continuous", "tiny", 8, 4, config={"_class_name": "AutoencoderTiny", "latent_channels": 4}
    ),
    "taesd3": Published(
        "TAESD3", "continuous", "tiny", 8, 16, config={"_class_name": "AutoencoderTiny", "latent_channels": 16}
    ),
}
