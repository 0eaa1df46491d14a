"""Reconstruction metrics of a tokenizer (Tables 1 and 2): one pass over every set feeds all of them."""

from pathlib import Path

import torch
from torch import Tensor

from pqgan.data.batches import evaluation_batches
from pqgan.data.prepared import PreparedSet
from pqgan.engine.launch import device
from pqgan.engine.timing import Stopwatch, arithmetic, device_name
from pqgan.plan import Job
from pqgan.provenance import provenance
from pqgan.records import Measurement, Record, write_record
from pqgan.settings import Settings
from pqgan.storage.atomic import new_folder
from pqgan.tokenizer.load import load_tokenizer

from .comparison import Comparison, Networks
from .pixels import save_png, to_uint8


@torch.inference_mode()
def run(settings: Settings, job: Job, *, model: Path, sets: dict[str, Path], out: Path) -> None:
    """Measure a tokenizer on every set and keep its first reconstructions.

    Args:
        job: of chapter evaluate; its name says whether the tokenizer is of the sweep, selected or fine-tuned.
        model: folder of the tokenizer.
        sets: role in the tables (val, FFHQ, LSUN) -> prepared set.
        out: metrics.json and showcase/<role>/<i>_original.png, <i>_reconstruction.png.

    Raises:
        NumericalError: a reconstruction is not finite.
        ResourceError: a published feature network is not to be had.
    """
    section = settings.scale.evaluation
    target = device(settings.scale.hardware)
    tokenizer = load_tokenizer(model).to(target)
    networks = Networks(settings, target)
    subject = tokenizer.subject()
    prepared = {role: PreparedSet(path) for role, path in sets.items()}
    measurements: list[Measurement] = []
    with new_folder(out) as folder:
        for role, images_of in prepared.items():
            comparison = Comparison(settings, networks, subject)
            stopwatch = Stopwatch(target)
            kept = 0
            batches = evaluation_batches(images_of, batch=section.batch, geometry=settings.reading.data.geometry)
            for number, batch in enumerate(batches):
                originals = batch.images.to(target)  # (B, 3, H, W)
                if number == 0:
                    tokenizer.reconstruct(originals)  # the first pass allocates and selects kernels
                with stopwatch.lap():
                    reconstructions, codes = tokenizer.round_trip(originals)
                comparison.update(originals, reconstructions, codes)
                kept = _showcase(folder / "showcase" / role, originals, reconstructions, kept, section.showcase)
            measurements += comparison.measurements(role)
            measurements.append(_speed(role, comparison.n, stopwatch, section.batch, target))
        write_record(
            folder,
            Record(
                kind="reconstruction",
                name=job.name,
                scale=settings.name,
                subject={**subject, "stage": _stage(job.name)},
                sets={role: images_of.name for role, images_of in prepared.items()},
                measurements=measurements,
                provenance=provenance(job),
            ),
        )


def _stage(name: str) -> str:
    prefix = name.partition("-")[0]
    return prefix if prefix in ("finetuned", "selected") else "sweep"


def _showcase(folder: Path, originals: Tensor, reconstructions: Tensor, kept: int, wanted: int) -> int:
    """Save pairs until there are as many as wanted; returns how many there are."""
    for original, reconstruction in zip(to_uint8(originals), to_uint8(reconstructions), strict=True):
        if kept == wanted:
            break
        save_png(original, folder / f"{kept}_original.png")
        save_png(reconstruction, folder / f"{kept}_reconstruction.png")
        kept += 1
    return kept


def _speed(role: str, n: int, stopwatch: Stopwatch, batch: int, target: torch.device) -> Measurement:
    return Measurement(
        metric="images_per_second",
        value=n / sum(stopwatch.laps()),
        unit="1/s",
        n=n,
        protocol=f"encode, quantise and decode, batches of {batch}, {arithmetic(target)}, {device_name(target)}",
        on=role,
    )
