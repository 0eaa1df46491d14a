"""What the quantiser adds to a reconstruction (Figure 5, appendix B, reading 24)."""

from pathlib import Path
from statistics import median

import torch
from torch import Tensor

from pqgan.engine.launch import device
from pqgan.engine.timing import Stopwatch, arithmetic, device_name
from pqgan.plan import Job
from pqgan.provenance import provenance
from pqgan.randomness import generator_at
from pqgan.records import Measurement, Record, write_record
from pqgan.settings import Settings
from pqgan.storage.atomic import new_folder
from pqgan.tokenizer.build import build
from pqgan.tokenizer.model import PQModel


@torch.inference_mode()
def run(settings: Settings, job: Job, *, out: Path) -> None:
    """Time seeded, untrained models with and without their quantiser; what they hold makes no difference to the time.

    Args:
        job: of chapter matching.
        out: metrics.json.
    """
    bench = settings.scale.matching
    target = device(settings.scale.hardware)
    shape = (bench.batch, 3, bench.resolution, bench.resolution)
    images = torch.rand(shape, generator=generator_at(settings.scale.seed, 0, "matching images")).to(target) * 2 - 1
    trunk = settings.scale.tokenizer.trunks[bench.F]
    measurements = []
    for config in bench.configs:
        model = build(config, trunk, settings.reading, settings.scale.seed).to(target).eval()
        seconds = _time(model, images, bench.repeats)
        rows = _rows(seconds, f"{arithmetic(target)}, {device_name(target)}")
        conditions = config.model_dump(include={"d", "S", "K"}) | bench.model_dump(include={"batch", "resolution"})
        measurements += [Measurement(n=bench.repeats, conditions=conditions, **row) for row in rows]
    with new_folder(out) as folder:
        write_record(
            folder,
            Record(
                kind="matching",
                name=job.name,
                scale=settings.name,
                subject={
                    "F": bench.F,
                    "resolution": bench.resolution,
                    "batch": bench.batch,
                    "device": device_name(target),
                },
                measurements=measurements,
                provenance=provenance(job),
            ),
        )


def _time(model: PQModel, images: Tensor, repeats: int) -> dict[str, float]:
    """Median seconds of a reconstruction with and without quantiser, and of the quantiser alone.

    The three take turns, so that a machine that slows down slows all of them.
    """
    z_e = model.encode_continuous(images)
    ways = {
        "seconds_with": lambda: model.decode(model.encode_continuous(images)),
        "seconds_without": lambda: model.decode(model.encode_continuous(images), force_not_quantize=True),
        "matching_seconds": lambda: model.quantiser.encode(z_e),
    }
    stopwatches = {way: Stopwatch(images.device) for way in ways}
    for repeat in range(1 + repeats):
        for way, work in ways.items():
            with stopwatches[way].lap():
                work()
            if repeat == 0:
                stopwatches[way].clear()
    return {way: median(stopwatch.laps()) for way, stopwatch in stopwatches.items()}


def _rows(seconds: dict[str, float], where: str) -> list[dict]:
    words = {
        "seconds_with": "reconstruction of a batch",
        "seconds_without": "reconstruction of a batch without the quantiser",
        "matching_seconds": "nearest codes of a batch",
    }
    rows = [
        {"metric": way, "value": value, "unit": "s", "protocol": f"{words[way]}, median, {where}"}
        for way, value in seconds.items()
    ]
    added = (seconds["seconds_with"] - seconds["seconds_without"]) / seconds["seconds_without"]
    protocol = f"(with - without) / without the quantiser, of medians, {where}"
    return [*rows, {"metric": "overhead", "value": added, "protocol": protocol}]
