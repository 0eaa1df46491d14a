"""Reconstruction metrics of a tokenizer (Tables 1 and 2): one pass over every set feeds all of them."""

import time
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from pqgan.data.batches import ImageSet, evaluation_batches
from pqgan.data.pixels import Geometry
from pqgan.data.prepared import PreparedSet
from pqgan.engine import processes
from pqgan.engine.image_progress import ImageProgress
from pqgan.engine.launch import agreeing, launch
from pqgan.engine.timed_parts import timed_part, timing_parts
from pqgan.engine.timing import Stopwatch, arithmetic, device_name
from pqgan.errors import SettingsError
from pqgan.evaluate.baselines.codecs import Codec
from pqgan.evaluate.networks.pixels import save_png, to_uint8
from pqgan.evaluate.networks.set_features import Networks
from pqgan.job import Job
from pqgan.metrics import METRICS
from pqgan.provenance import provenance
from pqgan.records import Measurement, Record, write_record
from pqgan.settings import Settings
from pqgan.settings.readings import MetricsReading
from pqgan.storage.outputs import new_result
from pqgan.tokenizer.kinds import Tokenizer

from . import original_features
from .baselines.open import open_model
from .comparison import Comparison
from .original_features import Reference


@dataclass
class Pass:
    """What one pass over a set left, of all processes together."""

    comparison: Comparison
    seconds: dict[str, float]
    """Of each part of the pass, in this process."""
    speed: Measurement
    encoded: dict[str, Any]
    """How a codec wrote the set's files; empty for a tokenizer."""
    pictures: tuple[Tensor, Tensor] = field(repr=False)
    """The first originals and their reconstructions (N, 3, H, W), uint8."""


@torch.inference_mode()
def reconstruct(
    tokenizer: Tokenizer,
    images: ImageSet,
    networks: Networks,
    reading: MetricsReading,
    *,
    role: str,
    batch: int,
    geometry: Geometry,
    originals: Reference | None = None,
    workers: int = 0,
    pictures: int = 0,
    name: str = "",
) -> Pass:
    """Reconstruct a set and feed every metric; every process of the job takes its share of the images.

    Args:
        tokenizer: on the networks' device; of a codec the quality is found first.
        reading: which way to compute a metric is the headline.
        role: of the set in the tables.
        batch: images at a time.
        geometry: how images reach the set's size.
        originals: features of the originals; computed in the same pass where None.
        workers: processes that load.
        pictures: how many of the first images to keep.
        name: of the model, for the progress bar.

    Raises:
        SettingsError: the tokenizer's F does not divide the size of the images; no quality of a codec has its bits.
        NumericalError: a reconstruction is not finite.
    """
    check_size(tokenizer, images.size)
    target = networks.device
    share = processes.share_of_batches(len(images), batch)
    loaded = partial(
        evaluation_batches, images, batch=batch, geometry=geometry, images=share, workers=workers, device=target
    )
    if isinstance(tokenizer, Codec):
        tokenizer = tokenizer.on(lambda: (found.images for found in loaded()), role)
    comparison = Comparison(networks, reading, tokenizer.subject(), originals)
    stopwatch = Stopwatch(target)
    kept: list[tuple[Tensor, Tensor]] = []
    seen = share.start
    started = time.perf_counter()
    bar = ImageProgress(f"{name} on {role}", len(share), quiet=not processes.is_first())
    with timing_parts(target) as parts, agreeing(), bar:
        for found in loaded():
            if len(share) <= batch:
                tokenizer.reconstruct(found.images)  # the first reconstruction allocates and selects kernels
            with timed_part("reconstruction"), stopwatch.lap():
                reconstructions, stored = tokenizer.round_trip(found.images)  # (B, 3, H, W)
            comparison.update(found.images, reconstructions, stored)
            first = max(0, min(len(found.images), pictures - seen))
            kept.append((to_uint8(found.images[:first]), to_uint8(reconstructions[:first])))
            seen += len(found.images)
            bar.add(len(found.images))
        seconds = {part: sum(watch.laps()) for part, watch in parts.items()}
    seconds["pass"] = time.perf_counter() - started
    empty = torch.zeros(0, 3, images.size, images.size, dtype=torch.uint8, device=target)
    sides = (torch.cat([empty, *side]) for side in zip(*kept, strict=True)) if kept else (empty, empty)
    whole = comparison.over_processes()
    speed = _speed(role, stopwatch.laps(), len(share), batch, target)
    encoded = tokenizer.encoded() if isinstance(tokenizer, Codec) else {}
    return Pass(whole, seconds, speed, encoded, tuple(processes.cat(side) for side in sides))


def check_size(tokenizer: Tokenizer, size: int) -> None:
    """Raise SettingsError where F does not divide the side of the images, naming the nearest that it does."""
    F = tokenizer.factor
    if size % F:
        below = size // F * F
        nearest = " or ".join(str(side) for side in (below, below + F) if side)
        raise SettingsError(f"size: got images of {size} px for a tokenizer with F={F}; allowed: {nearest}")


def run(
    settings: Settings, job: Job, *, model: Path, sets: dict[str, Path], references: dict[str, Path], out: Path
) -> None:
    """Measure a tokenizer on every set and keep its first reconstructions.

    Args:
        job: of chapter evaluate; its name says whether the tokenizer is of the sweep, selected or fine-tuned.
        model: folder of the tokenizer.
        sets: role in the tables (val, FFHQ, LSUN) -> prepared set.
        references: role -> features of the set's originals.
        out: metrics.json and showcase/<role>/<i>_original.png, <i>_reconstruction.png.

    Raises:
        NumericalError: a reconstruction is not finite.
        ResourceError: a published feature network is not to be had.
        DataError: features of other originals.
    """
    section, reading = settings.scale.evaluation, settings.reading
    hardware = settings.scale.hardware
    target = launch(hardware)
    started = time.perf_counter()
    with agreeing():
        tokenizer = open_model(Path(model)).to(target)
        networks = Networks(section.features, reading.metrics, target)
        prepared = {role: PreparedSet(path) for role, path in sets.items()}
        originals = {role: _reference(references, role, images, networks) for role, images in prepared.items()}
    passes = {
        role: reconstruct(
            tokenizer,
            images,
            networks,
            settings.metrics_of(role),
            role=role,
            batch=settings.scale.evaluation_batch(images.size),
            geometry=settings.scale.geometry_of(images.name, reading),
            originals=originals[role],
            workers=hardware.workers,
            pictures=section.showcase,
            name=job.id,
        )
        for role, images in prepared.items()
    }
    if not processes.is_first():
        return
    with new_result(out, job.chapter) as folder:
        for role, made in passes.items():
            save_pictures(folder / "showcase" / role, *made.pictures)
        record = Record(
            kind="reconstruction",
            name=job.name,
            scale=settings.name,
            subject={**subject(tokenizer, passes), "stage": _stage(job)},
            sets={role: images.name for role, images in prepared.items()},
            **results(passes, networks, started),
            provenance=provenance(
                job,
                model=tokenizer.source.model_dump(),
                seconds_of={role: made.seconds for role, made in passes.items()},
            ),
        )
        write_record(folder, record)


def subject(tokenizer: Tokenizer, passes: dict[str, Pass]) -> dict[str, Any]:
    """A record's, with what the passes settled, by role."""
    encoded = {role: made.encoded for role, made in passes.items() if made.encoded}
    return tokenizer.subject() | ({"encoded": encoded} if encoded else {})


def results(passes: dict[str, Pass], networks: Networks, started: float) -> dict[str, Any]:
    """The part of a record that the passes made, by role."""
    return {
        "measurements": [m for role, made in passes.items() for m in (*made.comparison.measurements(role), made.speed)],
        "networks": networks.sources(),
        "device": devices(networks.device),
        "dtype": arithmetic(networks.device),
        "seconds": round(time.perf_counter() - started, 3),
    }


def _reference(references: dict[str, Path], role: str, images: PreparedSet, networks: Networks) -> Reference:
    if role not in references:
        raise SettingsError(f"--references: got {', '.join(references) or 'none'}; allowed: one for each set")
    found = original_features.read(references[role], networks.device)
    found.check(networks.of_sets(), n=len(images), digest=images.digest)
    return found


def _stage(job: Job) -> str:
    if job.inputs and job.inputs["model"].chapter in ("published", "backbone"):
        return job.inputs["model"].chapter
    prefix = job.name.partition("-")[0]
    return prefix if prefix in ("finetuned", "selected") else "sweep"


def save_pictures(folder: Path, originals: Tensor, reconstructions: Tensor) -> None:
    """Pairs of 8-bit images (N, 3, H, W) as PNG files."""
    for number, pair in enumerate(zip(originals, reconstructions, strict=True)):
        for side, image in zip(("original", "reconstruction"), pair, strict=True):
            save_png(image, folder / f"{number}_{side}.png")


def devices(target: torch.device) -> str:
    """Those of all processes, as tables name them."""
    count = processes.count()
    return f"{count} x {device_name(target)}" if count > 1 else device_name(target)


def _speed(role: str, laps: list[float], images: int, batch: int, target: torch.device) -> Measurement:
    """Images a second of all processes, without each one's first batch where there are more."""
    if len(laps) > 1:
        laps, images = laps[1:], images - batch
    counts = processes.cat(torch.tensor([[images, sum(laps)]], dtype=torch.float64, device=target))  # (processes, 2)
    n, seconds = float(counts[:, 0].sum()), float(counts[:, 1].max())
    return Measurement(
        metric="images_per_second",
        value=n / seconds,
        unit=METRICS["images_per_second"].unit,
        n=int(n),
        protocol=f"encode, quantise and decode, batches of {batch}, {arithmetic(target)}, {devices(target)}",
        on=role,
    )
