"""Training a tokenizer of the sweep, and fine-tuning a selected one at a higher resolution."""

from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from pqgan.data.batches import evaluation_batches, training_batches
from pqgan.data.prepared import PreparedSet
from pqgan.engine.launch import make_fabric, result_folder
from pqgan.engine.loop import fit
from pqgan.plan import Job
from pqgan.provenance import write_provenance
from pqgan.randomness import seeded
from pqgan.settings import Settings
from pqgan.settings.tokenizer import Training

from .build import build
from .discriminator import PatchGAN
from .load import load_model, wrap
from .perceptual import Perceptual
from .step import Generator, TokenizerStep

DISCRIMINATOR = "discriminator.safetensors"


def run(settings: Settings, job: Job, *, data: Path, out: Path) -> None:
    """Train a configuration of the sweep or a baseline from scratch (section 4.1).

    Args:
        job: of chapter tokenizer; its name is the configuration's.
        data: prepared training set.
        out: folder of the trained model.
    """
    section = settings.scale.tokenizer
    config = section.configs()[job.name]
    model = build(config, section.trunks[config.F], settings.reading, settings.scale.seed)
    start = settings.reading.training.discriminator_start
    batch = settings.reading.training.total_batch
    _train(settings, job, model, config, _new_discriminator(settings), section.training, batch, start, data, out)


def run_finetune(settings: Settings, job: Job, *, model: Path, data: Path, out: Path) -> None:
    """Fine-tune a selected tokenizer at a higher resolution (Table 4, reading 28).

    Args:
        job: of chapter finetune.
        model: folder of the selected tokenizer, with its discriminator.
        data: prepared training set of the high-resolution chapter.
        out: folder of the fine-tuned model.
    """
    section, reading = settings.scale.finetune, settings.reading.finetune
    discriminator = _new_discriminator(settings)
    if reading.discriminator == "resumed":
        discriminator.load_state_dict(load_file(model / DISCRIMINATOR))
    start, batch = reading.discriminator_start, section.batch
    _train(settings, job, load_model(model), None, discriminator, section.training, batch, start, data, out)


def _new_discriminator(settings: Settings) -> PatchGAN:
    shape = settings.scale.tokenizer.discriminator
    with seeded(settings.scale.seed, "discriminator weights"):
        return PatchGAN(shape.channels, shape.layers)


def _train(
    settings: Settings,
    job: Job,
    model,
    config: object,
    discriminator: PatchGAN,
    training: Training,
    batch: int,
    start: int,
    data: Path,
    out: Path,
) -> None:
    scale, reading = settings.scale, settings.reading
    fabric = make_fabric(scale.hardware, reading.training.precision)
    prepared = PreparedSet(data)
    # the released code counts an update of either network as a step
    steps = training.steps if reading.training.step_counts == "generator" else max(1, training.steps // 2)
    rate = training.learning_rate * (batch if reading.training.scale_lr else 1)
    generator = Generator(model.train(), config)
    networks = [
        fabric.setup(network, torch.optim.Adam(network.parameters(), lr=rate, betas=training.betas, fused=True))
        for network in (generator, discriminator.train())
    ]
    step = TokenizerStep(
        fabric,
        *(network for network, _ in networks),
        tuple(optimiser for _, optimiser in networks),
        Perceptual(scale.evaluation.features, scale.evaluation.features.perceptual).to(fabric.device),
        perceptual_weight=training.perceptual_weight,
        discriminator_weight=reading.training.discriminator_weight,
        discriminator_start=start,
        seed=scale.seed,
    )
    batches = training_batches(
        prepared,
        batch=batch,
        resolution=training.resolution,
        steps=range(steps),
        seed=scale.seed,
        geometry=reading.data.geometry,
        workers=scale.hardware.workers,
        rank=fabric.global_rank,
        world=fabric.world_size,
    )
    with result_folder(fabric, out) as folder:
        fit(step, batches, steps=steps, log_every=training.log_every, folder=folder, name=job.id)
        if fabric.is_global_zero:
            factor = _scaling_factor(settings, model, prepared, training, fabric.device)
            model.register_to_config(scaling_factor=factor)
            model.save_pretrained(folder)
            save_file(discriminator.state_dict(), folder / DISCRIMINATOR)
            write_provenance(folder, job)


@torch.inference_mode()
def _scaling_factor(settings: Settings, model, prepared: PreparedSet, training: Training, device) -> float:
    """1 / standard deviation of the latents over training images (reading 21)."""
    tokenizer = wrap(model)
    count, total, squares = 0, 0.0, 0.0
    for batch in evaluation_batches(
        prepared,
        batch=settings.scale.evaluation.batch,
        resolution=training.resolution,
        geometry=settings.reading.data.geometry,
        limit=training.scaling_images,
    ):
        latents = tokenizer.encode(batch.images.to(device)).double()
        count += latents.numel()
        total += latents.sum().item()
        squares += latents.square().sum().item()
    variance = squares / count - (total / count) ** 2
    return float(variance**-0.5) if variance > 0 else 1.0
