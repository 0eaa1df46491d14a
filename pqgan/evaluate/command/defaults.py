"""What `pqgan evaluate` measures through and calls the headline, where no params.yaml says so: the paper's protocol."""

from typing import Literal

from pqgan.settings.evaluation import Features, HubClip, RandomClip
from pqgan.settings.readings import MetricsReading

FEATURES: dict[Literal["pretrained", "random"], Features] = {
    "pretrained": Features(
        weights="pretrained",
        perceptual="vgg",
        lpips=("alex", "vgg"),
        fid_input=299,
        clip=HubClip(
            source="hub",
            model="openai/clip-vit-large-patch14-336",
            revision="ce19dc912ca5cd21c8a653c79e251e808ccabcd1",
        ),
    ),
    "random": Features(
        weights="random",
        perceptual="alex",
        lpips=("alex",),
        fid_input=75,
        clip=RandomClip(source="random", hidden=64, layers=2, heads=2, patch=16, image_size=64, projection=32),
    ),
}
"""As of the scales paper and smoke."""

READINGS: dict[Literal["paper", "released"], MetricsReading] = {
    "paper": MetricsReading(
        psnr="mean", lpips="alex", fid="clean-fid", cmmd_antialias=True, usage="mean_over_subspaces"
    ),
    "released": MetricsReading(
        psnr="pooled", lpips="alex", fid="torchmetrics", cmmd_antialias=False, usage="concatenated"
    ),
}
"""As of params.yaml's readings of these names."""
