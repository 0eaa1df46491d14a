"""The published networks that are used here: where each comes from and what its file must be.

Each sha256 is one that others have published for the same file, in at least two places that do not depend on each
other (sdxl-vae: one, for the file of this repository). It is None where no such record was found.
"""

from pqgan.baselines import PUBLISHED, Hub, Weights

INCEPTION = "fid_inception_v3_2015-12-05.safetensors"

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
    **{name: model.weights for name, model in PUBLISHED.items()},
}
