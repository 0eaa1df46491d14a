"""A class-conditional latent diffusion model from scratch (section 4.4, appendix D, Table 5, reading 25)."""

from pathlib import Path

import torch
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.modeling_utils import ModelMixin
from einops import rearrange
from torch import Tensor, nn

from pqgan.data.batches import Batch
from pqgan.data.prepared import PreparedSet
from pqgan.engine.launch import training_fabric
from pqgan.engine.step_random import Draws
from pqgan.errors import DataError
from pqgan.job import Job
from pqgan.randomness import seeded
from pqgan.settings import Settings
from pqgan.settings.diffusion import Phase
from pqgan.tokenizer.load import load_tokenizer

from .schedule import noise_schedule
from .step import Denoiser
from .training import Phases, train
from .unet import build_unet, latent_side


class ClassEmbedding(ModelMixin, ConfigMixin):
    """Labels -> the one token that cross-attention reads (latent diffusion's ClassEmbedder).

    Args:
        num_classes: classes of the data.
        context: width of the token.
        unconditional: whether there is one more row, for dropped labels.
    """

    @register_to_config
    def __init__(self, num_classes: int, context: int, unconditional: bool = False):
        super().__init__()
        self.embedding = nn.Embedding(num_classes + unconditional, context)

    def forward(self, labels: Tensor) -> Tensor:
        """(B,) int64 -> (B, 1, context)."""
        return rearrange(self.embedding(labels), "b c -> b 1 c")


class Labels:
    """Labels of a batch, with class dropout.

    Args:
        dropout: share of labels replaced by the label after the last class.
        classes: number of classes.
        draws: of the run.
    """

    def __init__(self, dropout: float, classes: int, draws: Draws):
        self.dropout, self.classes, self.draws = dropout, classes, draws

    def __call__(self, number: int, batch: Batch) -> Tensor:
        labels = batch.labels.to(self.draws.device)  # (B,)
        dropped = self.draws.uniform(number, "labels", len(labels)) < self.dropout
        return torch.where(dropped, self.classes, labels)


def train_ldm(settings: Settings, job: Job, *, tokenizer: Path, data: Path, run: Path, out: Path) -> None:
    """Train a latent diffusion model on the latents of a tokenizer.

    Args:
        job: of chapter ldm; its name is the latent's.
        tokenizer: folder of a trained tokenizer.
        data: prepared set with classes.
        run: folder of checkpoints and log.
        out: unet/, class_embedding/ (moving averages), scheduler/ and train.jsonl.

    Raises:
        SettingsError: a resolution that the U-Net cannot halve.
        DataError: a set without classes.
        NumericalError: the loss is not finite.
    """
    section = settings.scale.ldm
    fabric = training_fabric(settings.scale.hardware, settings.reading.adaptation.precision, job.chapter)
    latents = load_tokenizer(tokenizer).to(fabric.device)
    prepared = PreparedSet(data)
    classes = len(prepared.classes)
    if not classes:
        raise DataError(f"{data}: the set has no classes; expected one whose source names them (ldm.data)")
    with seeded(settings.scale.seed, "ldm weights"):
        # the side is known once the U-Net's levels are
        unet = build_unet(section.unet, latents.channels, section.resolution // latents.factor)
        embedding = ClassEmbedding(classes, section.unet.context, section.class_dropout > 0)
    latent_side(section.resolution, latents.factor, unet, "ldm.resolution")
    phase = Phase.model_validate(section.model_dump(include=set(Phase.model_fields)))
    scheduler = noise_schedule(section.beta_start, section.beta_end, "epsilon")
    draws = Draws(fabric, settings.scale.seed)

    def write(trained: Denoiser, folder: Path) -> None:
        trained.unet.save_pretrained(folder / "unet")
        trained.embedding.save_pretrained(folder / "class_embedding")
        scheduler.save_pretrained(folder / "scheduler")

    train(
        settings,
        fabric,
        job,
        Denoiser(unet, embedding),
        scheduler,
        latents,
        Labels(section.class_dropout, classes, draws),
        prepared,
        Phases([phase]),
        draws=draws,
        weight_decay=0.01,  # AdamW's default, which latent diffusion keeps
        ema_decay=section.ema_decay,
        log_every=section.log_every,
        run=run,
        out=out,
        write=write,
    )
