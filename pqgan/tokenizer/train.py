"""Training a tokenizer of the sweep, and fine-tuning a selected one at a higher resolution."""

from collections.abc import Generator
from pathlib import Path

from safetensors.torch import load_file, save_file

from pqgan.data.batches import Batch, training_batches
from pqgan.data.prepared import PreparedSet
from pqgan.engine.launch import training_fabric
from pqgan.engine.loop import fit
from pqgan.engine.publish import publish
from pqgan.engine.run_folder import open_run
from pqgan.errors import DataError
from pqgan.job import Job
from pqgan.settings import PQConfig, Settings
from pqgan.settings.tokenizer import Training
from pqgan.storage.json_files import in_line
from pqgan.storage.tensor_headers import read_header

from .assemble import assemble, new_discriminator
from .build import build
from .codebooks import start_from_kmeans
from .cooldown import cooled
from .discriminator import PatchGAN
from .linear_start import start_from_components
from .load import load_model
from .train_linear import fit_linear
from .training_images import reconstructions, scaling_factor

DISCRIMINATOR = "discriminator.safetensors"


def train(settings: Settings, job: Job, *, data: Path, run: Path, out: Path) -> None:
    """Train a configuration of the sweep or a baseline from scratch (section 4.2, appendix A.1).

    A linear one is fitted, without a gradient.

    Args:
        job: of chapter tokenizer; its name is the configuration's.
        data: prepared training set.
        run: folder of checkpoints and log.
        out: folder of the trained model.
    """
    section = settings.scale.tokenizer
    config = section.configs[job.name]
    if config.kind == "linear":
        return fit_linear(settings, job, config, data=data, run=run, out=out)
    if config.seed is not None:
        settings = settings.model_copy(update={"scale": settings.scale.model_copy(update={"seed": config.seed})})
    model = build(config, section.trunk(config), settings.reading, settings.scale.seed)
    discriminator, training = new_discriminator(settings), section.training_of(config)
    start = settings.reading.training.discriminator_start
    batch = settings.reading.training.total_batch
    _train(settings, job, model, config, discriminator, training, batch, start, data, run, out)


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
        _resume(discriminator, model / DISCRIMINATOR)
    start, batch = reading.discriminator_start, section.batch
    _train(settings, job, load_model(model), None, discriminator, section.training, batch, start, data, run, out)


def _resume(discriminator: PatchGAN, path: Path) -> None:
    """Give a discriminator the weights that it was left with.

    Raises:
        DataError: they are missing, damaged or of another one.
    """
    read_header(path)
    try:
        discriminator.load_state_dict(load_file(path))
    except RuntimeError as error:
        raise DataError(f"{path}: not the weights of this discriminator: {in_line(error)}") from None


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
    fabric = training_fabric(scale.hardware, reading.training.precision, job.chapter)
    prepared = PreparedSet(data)
    steps = reading.training.updates(training.steps)
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
            shortest_side=training.shortest_side,
            workers=scale.hardware.workers,
            rank=rank,
            world=world,
            device=fabric.device,
        )

    def batches(first: int) -> Generator[tuple[int, Batch], None, None]:
        if first == 0 and isinstance(config, PQConfig) and model.linear is not None:
            side = scale.tokenizer.fitted_side(training)
            start_from_components(fabric, settings, model, prepared, side, scale.seed)
        elif first == 0 and isinstance(config, PQConfig) and scale.tokenizer.codebook.kmeans_images:
            start_from_kmeans(fabric, settings, config, model, len(prepared), supply)
        return supply(range(first, steps), fabric.global_rank, fabric.world_size)

    def write(result: Path) -> None:
        side, images = training.resolution, training.scaling_images
        model.register_to_config(scaling_factor=scaling_factor(settings, model, prepared, side, images, fabric.device))
        model.save_pretrained(result)
        save_file(
            {name: tensor.contiguous() for name, tensor in discriminator.state_dict().items()}, result / DISCRIMINATOR
        )

    with open_run(fabric, run, {"settings": job.settings_digest, "data": prepared.digest}) as folder:
        fit(
            fabric,
            cooled(step, state.optimisers.values(), steps, training.cooldown),
            state,
            batches,
            run=folder,
            upkeep=scale.upkeep,
            steps=steps,
            log_every=training.log_every,
            name=job.id,
            pictures=lambda: reconstructions(settings, model, prepared, training.resolution, fabric.device),
        )
        publish(fabric, folder, state, job, out, write)
