"""Samples of a class-conditional latent diffusion model, measured (Table 5, reading 26)."""

import time
from collections.abc import Iterable, Iterator
from math import prod
from pathlib import Path

import torch
from pydantic import BaseModel, PositiveInt
from torch import Tensor

from pqgan.diffusion.sample import sample_classes
from pqgan.engine import processes
from pqgan.engine.image_progress import ImageProgress
from pqgan.engine.launch import launch
from pqgan.engine.timing import arithmetic
from pqgan.evaluate.networks.inception import Inception
from pqgan.evaluate.networks.pixels import save_png, to_uint8
from pqgan.job import Job
from pqgan.provenance import provenance
from pqgan.records import Record, write_record
from pqgan.settings import Settings
from pqgan.storage.json_files import read_model
from pqgan.storage.outputs import new_result
from pqgan.storage.tensor_headers import read_headers
from pqgan.tokenizer.load import load_tokenizer

from .distribution import collect
from .original_features import read
from .reconstruction import devices


def run(settings: Settings, job: Job, *, model: Path, tokenizer: Path, reference: Path, out: Path) -> None:
    """Sample a model in memory, compare with originals, keep the first samples; several processes share the samples.

    Args:
        job: of chapter generation; its name is the latent's in settings.scale.ldm.latents.
        model: folder of the latent diffusion model.
        tokenizer: folder of its tokenizer.
        reference: features of the originals, made by `pqgan reference`.
        out: metrics.json and 0.png, 1.png, ...

    Raises:
        NumericalError: a sample is not finite.
        ResourceError: the published feature network is not to be had.
        DataError: features of another network, or a model of other latents.
    """
    section, reading = settings.scale.ldm, settings.reading.generation
    target = launch(settings.scale.hardware)
    inception = Inception(settings.scale.evaluation.features).to(target)
    originals = read(reference, target)
    loaded = load_tokenizer(tokenizer).to(target)
    started = time.perf_counter()
    mine = processes.share_of_batches(max(reading.samples), section.sample_batch)
    samples = sample_classes(
        model,
        loaded,
        balanced_labels(max(reading.samples), _classes(model))[mine.start : mine.stop],
        steps=reading.sampler_steps,
        eta=reading.eta,
        seed=settings.scale.seed,
        device=target,
        batch=section.sample_batch,
        first=mine.start,
    )
    kept: list[Tensor] = []
    seen = collect(
        _keeping(_with_progress(samples, len(mine), job.id), mine.start, section.grid, kept),
        inception,
        originals,
        resize=settings.reading.metrics.fid,
        device=target,
        counts=reading.samples,
        first=mine.start,
    )
    pictures = processes.cat(torch.cat(kept) if kept else torch.empty(0, dtype=torch.uint8))  # (N, 3, H, W)
    if not processes.is_first():
        return
    subject = loaded.subject()
    how = f"DDIM {reading.sampler_steps} steps, eta {reading.eta:g}, no guidance, balanced classes"
    measurements = seen.measurements(how)
    with new_result(out, job.chapter) as folder:
        for number, image in enumerate(pictures):
            save_png(image, folder / f"{number}.png")
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
                sets={"reference": originals.about.name},
                measurements=measurements,
                networks={inception.label: inception.source},
                device=devices(target),
                dtype=arithmetic(target),
                seconds=round(time.perf_counter() - started, 3),
                provenance=provenance(job),
            ),
        )


def _keeping(samples: Iterable[Tensor], first: int, wanted: int, kept: list[Tensor]) -> Iterator[Tensor]:
    """The same samples, the first of which has a number; of the run's first ones, as 8-bit images, a list is kept."""
    for images in samples:
        yield images
        if first < wanted:
            kept.append(to_uint8(images[: wanted - first]))
        first += len(images)


def balanced_labels(samples: int, classes: int) -> Tensor:
    """Labels (samples,) int64 in turn, so that the classes' counts differ by at most one."""
    return torch.arange(samples) % classes


class _Classes(BaseModel):
    num_classes: PositiveInt


def _classes(model: Path) -> int:
    path = model / "class_embedding" / "config.json"
    return read_model(path, _Classes, "the configuration of a class-conditional model's embedding").num_classes


def _parameters(folder: Path) -> int:
    """Parameter count from the headers of the weight files, without loading them."""
    return sum(prod(tensor.shape) for tensor in read_headers(folder).values())


def _with_progress(samples: Iterable[Tensor], total: int, name: str) -> Iterable[Tensor]:
    with ImageProgress(name, total, quiet=not processes.is_first()) as bar:
        for images in samples:
            yield images
            bar.add(len(images))
