"""Fitting a linear tokenizer: principal components and k-means, in the place of updates."""

from collections.abc import Generator, Iterator
from pathlib import Path

from pqgan.data.batches import Batch, training_batches
from pqgan.data.prepared import PreparedSet
from pqgan.engine.launch import training_fabric
from pqgan.engine.loop import Update, fit
from pqgan.engine.publish import publish
from pqgan.engine.run_folder import open_run
from pqgan.engine.state import TrainingState
from pqgan.job import Job
from pqgan.settings import LinearConfig, Settings

from .build import build
from .linear_start import start_from_components
from .training_images import reconstructions, scaling_factor


def fit_linear(settings: Settings, job: Job, config: LinearConfig, *, data: Path, run: Path, out: Path) -> None:
    """Fit a linear tokenizer to a prepared set: a training of one step, which has no update.

    Args:
        job: of chapter tokenizer.
        config: of the tokenizer.
        data: prepared training set.
        run: folder of the checkpoint and the log.
        out: folder of the fitted model.
    """
    scale, reading = settings.scale, settings.reading
    section, side = scale.tokenizer, scale.tokenizer.fitted_resolution
    seed = scale.seed if config.seed is None else config.seed
    fabric = training_fabric(scale.hardware, "32-true", job.chapter)
    prepared = PreparedSet(data)
    model = fabric.to_device(build(config, None, reading, seed).requires_grad_(False))

    def batches(first: int) -> Generator[tuple[int, Batch], None, None]:
        return training_batches(
            prepared,
            batch=reading.training.total_batch,
            resolution=side,
            steps=range(first, 1),
            seed=seed,
            geometry=reading.data.geometry,
            rank=fabric.global_rank,
            world=fabric.world_size,
            device=fabric.device,
        )

    def step(number: int, batch: Batch) -> Iterator[Update]:
        start_from_components(fabric, settings, model, prepared, section.fitted_side(section.training), seed)
        return iter(())

    def write(result: Path) -> None:
        images = section.fitted_scaling_images
        model.register_to_config(scaling_factor=scaling_factor(settings, model, prepared, side, images, fabric.device))
        model.save_pretrained(result)

    with open_run(fabric, run, {"settings": job.settings_digest, "data": prepared.digest}) as folder:
        state = TrainingState({"generator": model}, {})
        fit(
            fabric,
            step,
            state,
            batches,
            run=folder,
            upkeep=scale.upkeep,
            steps=1,
            log_every=1,
            name=job.id,
            pictures=lambda: reconstructions(settings, model, prepared, side, fabric.device),
        )
        publish(fabric, folder, state, job, out, write)
