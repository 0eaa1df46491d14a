"""gFID of a class-conditional latent diffusion model (Table 5, reading 26)."""

import json
from collections.abc import Iterable
from math import prod
from pathlib import Path

import torch
from safetensors import safe_open
from torch import Tensor
from tqdm import tqdm

from pqgan.data.batches import evaluation_batches
from pqgan.data.prepared import PreparedSet
from pqgan.diffusion.sample import sample_classes
from pqgan.engine.launch import device
from pqgan.errors import DataError
from pqgan.plan import Job
from pqgan.provenance import provenance
from pqgan.records import Measurement, Record, write_record
from pqgan.settings import Settings
from pqgan.storage.atomic import new_folder
from pqgan.tokenizer.load import load_tokenizer

from .features import RESIZES, Inception
from .frechet import Moments, frechet_distance, sample_note
from .pixels import save_png, to_uint8


@torch.inference_mode()
def run(settings: Settings, job: Job, *, model: Path, tokenizer: Path, reference: Path, out: Path) -> None:
    """Sample a model in memory, compare with a reference set, keep the first samples.

    Args:
        job: of chapter generation; its name is the latent's in settings.scale.ldm.latents.
        model: folder of the latent diffusion model.
        tokenizer: folder of its tokenizer.
        reference: prepared set that the samples are compared with.
        out: metrics.json and 0.png, 1.png, ...

    Raises:
        NumericalError: a sample is not finite.
        ResourceError: the published feature network is not to be had.
    """
    section, reading = settings.scale.ldm, settings.reading.generation
    resize = settings.reading.metrics.fid
    target = device(settings.scale.hardware)
    inception = Inception(settings.scale.evaluation.features).to(target)
    loaded = load_tokenizer(tokenizer).to(target)
    real, fake = Moments(inception.dimension), Moments(inception.dimension)
    prepared = PreparedSet(reference)
    for batch in evaluation_batches(
        prepared,
        batch=section.sample_batch,
        resolution=section.resolution,
        geometry=settings.reading.data.geometry,
    ):
        real.update(inception(batch.images.to(target), resize))
    samples = sample_classes(
        model,
        loaded,
        balanced_labels(reading.samples, _classes(model)),
        steps=reading.sampler_steps,
        eta=reading.eta,
        seed=settings.scale.seed,
        device=target,
        batch=section.sample_batch,
    )
    with new_folder(out) as folder:
        for images in _with_progress(samples, reading.samples, job.id):
            for number, image in enumerate(to_uint8(images[: max(0, section.grid - fake.n)]), start=fake.n):
                save_png(image, folder / f"{number}.png")
            fake.update(inception(images.to(target), resize))
        gfid = Measurement(
            metric="gfid",
            value=frechet_distance(real, fake),
            n=fake.n,
            protocol=f"DDIM {reading.sampler_steps} steps, eta {reading.eta:g}, no guidance, balanced classes, "
            f"against {real.n} images; {RESIZES[resize]}{sample_note(inception.dimension, real.n, fake.n)}",
            network=inception.label,
            conditions={"reference_n": real.n},
        )
        subject = loaded.subject()
        write_record(
            folder,
            Record(
                kind="generation",
                name=job.name,
                scale=settings.name,
                subject={
                    "method": section.latents[job.name].method,
                    "F": subject["F"],
                    "d": subject["d"],
                    "latent": job.name,
                    "unet_parameters": _parameters(model / "unet"),
                    "train_steps": section.steps,
                    "batch": section.batch,
                },
                sets={"reference": prepared.name},
                measurements=[gfid],
                provenance=provenance(job),
            ),
        )


def balanced_labels(samples: int, classes: int) -> Tensor:
    """Labels (samples,) int64 in turn, so that the classes' counts differ by at most one."""
    return torch.arange(samples) % classes


def _classes(model: Path) -> int:
    path = model / "class_embedding" / "config.json"
    try:
        return int(json.loads(path.read_text())["num_classes"])
    except FileNotFoundError:
        raise DataError(f"{path}: no such file; expected the folder of a class-conditional model") from None
    except (KeyError, ValueError):
        raise DataError(f"{path}: no num_classes; expected the configuration of a class embedding") from None


def _parameters(folder: Path) -> int:
    """Parameter count from the headers of the weight files, without loading them."""
    count = 0
    for path in folder.glob("*.safetensors"):
        with safe_open(path, "pt") as file:
            count += sum(prod(file.get_slice(key).get_shape()) for key in file.keys())  # noqa: SIM118
    return count


def _with_progress(samples: Iterable[Tensor], total: int, name: str) -> Iterable[Tensor]:
    with tqdm(total=total, desc=name, unit="image", disable=None) as bar:
        for images in samples:
            yield images
            bar.update(len(images))
