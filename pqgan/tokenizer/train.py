"""Training a tokenizer of the sweep, and fine-tuning a selected one at a higher resolution."""

from collections.abc import Generator, Iterator
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from pqgan.data.batches import Batch, evaluation_batches, training_batches
from pqgan.data.prepared import PreparedSet
from pqgan.engine.launch import make_fabric
from pqgan.engine.loop import fit
from pqgan.engine.publish import publish
from pqgan.engine.run_folder import open_run
from pqgan.job import Job
from pqgan.settings import PQConfig, Settings
from pqgan.settings.tokenizer import Training

from .build import build
from .codebooks import start_from_kmeans
from .discriminator import PatchGAN
from .load import load_model, wrap
from .networks import assemble, new_discriminator

DISCRIMINATOR = "discriminator.safetensors"


def train(settings: Settings, job: Job, *, data: Path, run: Path, out: Path) -> None:
    """Train a configuration of the sweep or a baseline from scratch (section 4.1).

    Args:
        job: of chapter tokenizer; its name is the configuration's.
        data: prepared training set.
        run: folder of checkpoints and log.
        out: folder of the trained model.
    """
    section = settings.scale.tokenizer
    config = section.configs[job.name]
    if config.seed is not None:
        settings = settings.model_copy(update={"scale": settings.scale.model_copy(update={"seed": config.seed})})
    model = build(config, section.trunks[config.F], settings.reading, settings.scale.seed)
    start = settings.reading.training.discriminator_start
    batch = settings.reading.training.total_batch
    _train(settings, job, model, config, new_discriminator(settings), section.training, batch, start, data, run, out)


def finetune(settings: Settings, job: Job, *, model: Path, data: Path, run: Path, out: Path) -> None:
    """Fine-tune a selected tokenizer at a higher resolution (Table 4, reading 28).

    Args:
        job: of chapter finetune.
        model: folder of the selected tokenizer, with its discriminator.
        data: prepared training set of the high-resolution chapter.
        run: folder of checkpoints and log.
        out: folder of the fine-tuned model.
    """
    section, reading = settings.scale.finetune, settings.reading.finetune
    discriminator = new_discriminator(settings)
    if reading.discriminator == "resumed":
        discriminator.load_state_dict(load_file(model / DISCRIMINATOR))
    start, batch = reading.discriminator_start, section.batch
    _train(settings, job, load_model(model), None, discriminator, section.training, batch, start, data, run, out)


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
    run: Path,
    out: Path,
) -> None:
    scale, reading = settings.scale, settings.reading
    fabric = make_fabric(scale.hardware, reading.training.precision)
    prepared = PreparedSet(data)
    # the released code counts an update of either network as a step
    steps = training.steps if reading.training.step_counts == "generator" else max(1, training.steps // 2)
    step, state = assemble(
        fabric,
        settings,
        model,
        config,
        discriminator,
        scale.evaluation.features,
        training=training,
        batch=batch,
        discriminator_start=start,
    )

    def supply(wanted: range, rank: int = 0, world: int = 1) -> Generator[tuple[int, Batch], None, None]:
        return training_batches(
            prepared,
            batch=batch,
            resolution=training.resolution,
            steps=wanted,
            seed=scale.seed,
            geometry=reading.data.geometry,
            workers=scale.hardware.workers,
            rank=rank,
            world=world,
            device=fabric.device,
        )

    def batches(first: int) -> Generator[tuple[int, Batch], None, None]:
        if first == 0 and isinstance(config, PQConfig) and scale.tokenizer.codebook.kmeans_images:
            start_from_kmeans(fabric, settings, config, model, len(prepared), supply)
        return supply(range(first, steps), fabric.global_rank, fabric.world_size)

    def write(result: Path) -> None:
        model.register_to_config(scaling_factor=_scaling_factor(settings, model, prepared, training, fabric.device))
        model.save_pretrained(result)
        save_file(
            {name: tensor.contiguous() for name, tensor in discriminator.state_dict().items()}, result / DISCRIMINATOR
        )

    with open_run(fabric, run, {"settings": job.settings_digest, "data": prepared.digest}) as folder:
        fit(
            fabric,
            step,
            state,
            batches,
            run=folder,
            upkeep=scale.upkeep,
            steps=steps,
            log_every=training.log_every,
            name=job.id,
            pictures=lambda: _reconstructions(settings, model, prepared, training, fabric.device),
        )
        publish(fabric, folder, state, job, out, write)


def _images(
    settings: Settings, prepared: PreparedSet, training: Training, limit: int, device: torch.device
) -> Iterator[Batch]:
    return evaluation_batches(
        prepared,
        batch=settings.scale.evaluation.batch,
        resolution=training.resolution,
        geometry=settings.reading.data.geometry,
        images=range(min(limit, len(prepared))),
        device=device,
    )


@torch.inference_mode()
def _reconstructions(
    settings: Settings, model, prepared: PreparedSet, training: Training, device: torch.device
) -> dict[str, Tensor]:
    """The set's first images above their reconstructions, as one picture (3, 2 H, n W), uint8."""
    tokenizer, count = wrap(model), settings.scale.upkeep.pictures
    rows = [
        torch.cat([batch.images, tokenizer.reconstruct(batch.images)], dim=2)  # (B, 3, 2 H, W)
        for batch in _images(settings, prepared, training, count, device)
    ]
    model.train().requires_grad_(True)
    picture = torch.cat(list(torch.cat(rows)), dim=2)  # (3, 2 H, n W)
    return {"reconstructions": picture.add(1).mul(127.5).round().clamp(0, 255).byte().cpu()}


@torch.inference_mode()
def _scaling_factor(settings: Settings, model, prepared: PreparedSet, training: Training, device) -> float:
    """1 / standard deviation of the latents over training images (reading 21)."""
    tokenizer = wrap(model)
    count, total, squares = 0, 0.0, 0.0
    for batch in _images(settings, prepared, training, training.scaling_images, device):
        latents = tokenizer.encode(batch.images).double()
        count += latents.numel()
        total += latents.sum().item()
        squares += latents.square().sum().item()
    variance = squares / count - (total / count) ** 2
    return float(variance**-0.5) if variance > 0 else 1.0
