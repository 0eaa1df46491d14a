"""`pqgan bench evaluation`: overhead of an evaluation over running the model and the feature networks alone."""

import time
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import numpy as np
import torch

from pqgan.data.batches import evaluation_batches
from pqgan.engine.launch import device
from pqgan.engine.timing import arithmetic, device_name
from pqgan.errors import SettingsError
from pqgan.evaluate import original_features
from pqgan.evaluate.networks.inception import RESIZES
from pqgan.evaluate.networks.pixels import to_float, to_uint8
from pqgan.evaluate.networks.set_features import Networks
from pqgan.evaluate.reconstruction import reconstruct
from pqgan.provenance import environment
from pqgan.randomness import rng_at
from pqgan.settings import PQConfig, Settings
from pqgan.storage.outputs import check_signed
from pqgan.storage.signed import write_signed
from pqgan.tokenizer.build import build
from pqgan.tokenizer.load import wrap

from .timed_turns import in_turns

COMMAND = "pqgan bench evaluation"
ALONE, PASS, FIRST = "reconstruction and feature networks alone", "the pass", "the pass, with the originals' features"


class RandomImages:
    """Noise; what it costs to measure does not depend on what is seen."""

    def __init__(self, n: int, size: int):
        self.size = size
        self._pixels = rng_at(0, 0, "bench").integers(0, 256, (n, size, size, 3), dtype=np.uint8)

    def __len__(self) -> int:
        return len(self._pixels)

    def image(self, index: int) -> np.ndarray:
        return self._pixels[index]

    def label(self, index: int) -> int:
        return -1

    def caption(self, index: int) -> str:
        return ""


@torch.inference_mode()
def run(
    settings: Settings, name: str | None, *, images: int | None = None, repeats: int = 5, out: Path | None = None
) -> None:
    """Time the pass, and its networks on the same images, in turns; print a table.

    Args:
        name: configuration of the tokenizer, whose weights are random; the sweep's first where None.
        images: how many; two batches where None.
        repeats: of each way, after one of warm-up; medians are compared.
        out: JSON file for the figures.

    Raises:
        SettingsError: no such configuration, or `out` is there and not the file of an earlier bench.
        ResourceError: a published feature network is not to be had.
    """
    if out is not None:
        check_signed(out, COMMAND)
    section, reading = settings.scale.evaluation, settings.reading
    configs = settings.scale.tokenizer.configs
    name = name or next(key for key, config in configs.items() if isinstance(config, PQConfig))
    if name not in configs:
        raise SettingsError(f"no tokenizer configuration {name!r} at scale {settings.name}; allowed: see pqgan plan")
    target = device(settings.scale.hardware)
    tokenizer = wrap(build(configs[name], settings.scale.tokenizer.trunk(configs[name]), reading, 0)).to(target)
    networks = Networks(section.features, reading.metrics, target)
    noise = RandomImages(images or 2 * section.batch, settings.scale.data.sets[section.data].size)
    how = {"batch": section.batch, "geometry": reading.data.geometry}
    loaded = [batch.images for batch in evaluation_batches(noise, device=target, **how)]
    with TemporaryDirectory() as folder:
        features = original_features.collect(networks, loaded, reading.metrics.fid)
        original_features.write(features, Path(folder), name="noise", digest="0" * 64, size=noise.size)
        originals = original_features.read(folder, target)
        closing: list[float] = []

        def measure(known: original_features.Reference | None) -> None:
            made = reconstruct(tokenizer, noise, networks, reading.metrics, role="val", originals=known, **how)
            started = time.perf_counter()
            made.comparison.measurements("val")
            closing.append(time.perf_counter() - started)

        def alone() -> None:
            for batch in loaded:
                made, _ = tokenizer.round_trip(batch)
                for resize in RESIZES:
                    networks.inception(made, resize)
                for antialias in (True, False):
                    networks.clip(made, antialias)
                pair = to_float(to_uint8(batch)), to_float(to_uint8(made))
                for perceptual in networks.lpips.values():
                    perceptual(*pair)

        ways = {ALONE: alone, PASS: lambda: measure(originals), FIRST: lambda: measure(None)}
        seconds = {way: median(laps) for way, laps in in_turns(ways, target, repeats).items()}
    result = {
        "tokenizer": name,
        "images": len(noise),
        "size": noise.size,
        "batch": section.batch,
        "repeats": repeats,
        "device": device_name(target),
        "dtype": arithmetic(target),
        "networks": [*networks.sources()],
        "seconds": seconds,
        "ratio": {way: seconds[way] / seconds[ALONE] for way in (PASS, FIRST)},
        "closing_seconds": median(closing),
        "environment": environment(),
    }
    print(_table(result))
    if out:
        write_signed(out, result, COMMAND)


def _table(result: dict) -> str:
    lines = [
        "{tokenizer}: {images} images of {size} px, batches of {batch}, {device}, {dtype}".format(**result),
        f"medians of {result['repeats']} runs in turns",
        "through " + "; ".join(result["networks"]),
    ]
    for way, seconds in result["seconds"].items():
        ratio = f"  {result['ratio'][way]:6.3f}x" if way in result["ratio"] else ""
        lines.append(f"  {way:<40} {seconds:9.3f} s{ratio}")
    lines.append(
        f"  {'distances and intervals at its end':<40} {result['closing_seconds']:9.3f} s, in the passes' time"
    )
    return "\n".join(lines)
