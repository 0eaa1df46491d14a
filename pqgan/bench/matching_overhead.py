"""What the quantiser adds to a reconstruction: ours, and the plain one that holds all distances."""

from collections.abc import Callable
from functools import partial
from statistics import median

import torch
from torch import Tensor

from pqgan.engine.launch import lay_out
from pqgan.engine.timing import arithmetic, device_name
from pqgan.evaluate.metrics.bootstrap import interval
from pqgan.metrics import METRICS
from pqgan.quantise.product import Quantised
from pqgan.randomness import generator_at
from pqgan.records import Measurement
from pqgan.settings import PQConfig, Settings
from pqgan.tokenizer.build import build
from pqgan.tokenizer.model import PQModel

from .other_libraries import FULL
from .plain_step import LoopedQuantiser
from .timed_turns import in_turns

OURS = "pqgan"
WITHOUT = "without"
PATIENCE = 30.0
"""Seconds for the runs of one way with one configuration and batch; n says how many they were enough for."""

Quantise = Callable[[Tensor], Quantised]


@torch.inference_mode()
def overheads(settings: Settings, device: torch.device) -> list[Measurement]:
    """Time seeded, untrained models with and without their quantiser; what they hold makes no difference to the time.

    Args:
        settings: scale.matching says of which configurations; the models are laid out as scale.hardware says, eager.
        device: that they run on.
    """
    bench, seed = settings.scale.matching, settings.scale.seed
    hardware = settings.scale.hardware.model_copy(update={"compile": False})
    dtype = torch.bfloat16 if bench.precision == "bf16-mixed" and device.type == "cuda" else torch.float32
    found = []
    for config in bench.configs:
        model = build(config, settings.scale.tokenizer.trunks[bench.F].plain, settings.reading, seed).to(device).eval()
        lay_out(hardware, model)
        quantisers = {OURS: model.quantiser, FULL: _in_fp32(LoopedQuantiser(model.quantiser).to(device))}
        for batch in bench.batches:
            shape = (batch, 3, bench.resolution, bench.resolution)
            images = torch.rand(shape, generator=generator_at(seed, 0, "matching images")).to(device) * 2 - 1
            with torch.autocast(device.type, torch.bfloat16, enabled=dtype == torch.bfloat16):
                seconds = _time(model, quantisers, images, bench.repeats)
            conditions = _conditions(config, batch, bench.resolution)
            found += rows(seconds, conditions, f"networks in {arithmetic(device, dtype)}, {device_name(device)}")
    return found


def _in_fp32(quantiser: Quantise) -> Quantise:
    def quantise(z_e: Tensor) -> Quantised:
        with torch.autocast(z_e.device.type, enabled=False):
            return quantiser(z_e.float())

    return quantise


def _time(
    model: PQModel, quantisers: dict[str, Quantise], images: Tensor, repeats: int
) -> dict[tuple[str, str], list[float]]:
    """Seconds of a reconstruction without quantiser and with each, and of each by itself on the same latents."""
    z_e = model.encode_continuous(images)

    def reconstruct(quantise: Quantise | None = None) -> None:
        z = model.encode_continuous(images)
        model.decode(quantise(z).z_q if quantise else z, force_not_quantize=True)

    ways = {("reconstruction", WITHOUT): reconstruct}
    for name, quantise in quantisers.items():
        ways["reconstruction", name] = lambda quantise=quantise: reconstruct(quantise)
        ways["quantiser", name] = lambda quantise=quantise: quantise(z_e)
    return in_turns(ways, images.device, repeats, PATIENCE)


def _conditions(config: PQConfig, batch: int, resolution: int) -> dict[str, int]:
    return {**config.model_dump(include={"d", "S", "K"}), "batch": batch, "resolution": resolution}


def rows(seconds: dict[tuple[str, str], list[float]], conditions: dict[str, int], where: str) -> list[Measurement]:
    """Medians, what each quantiser adds by them (reading 24), and its own time as a share of means (appendix B).

    Args:
        seconds: by (reconstruction, way) and (quantiser, way) of every run.
        conditions: d, S, K, batch and resolution.
        where: arithmetic and device.
    """
    words = {
        "seconds_without": f"forward pass from images to images without the quantiser, median, {where}",
        "seconds_with": f"forward pass from images to images, the quantiser's loss included, median, {where}",
        "quantiser_seconds": f"forward pass of the quantiser by itself, its loss included, median, {where}",
    }

    def row(metric: str, laps: list[float], **way: str) -> Measurement:
        return Measurement(
            metric=metric,
            value=median(laps),
            unit=METRICS[metric].unit,
            n=len(laps),
            protocol=words[metric],
            conditions=conditions | way,
        )

    bare = seconds["reconstruction", WITHOUT]
    without = row("seconds_without", bare)
    found = [without]
    for kind, way in seconds:
        if kind == "quantiser":
            found += [row("quantiser_seconds", seconds[kind, way], way=way)]
            found += [_matching_overhead(seconds[kind, way], bare, conditions | {"way": way}, where)]
        elif way != WITHOUT:
            with_ = row("seconds_with", seconds[kind, way], way=way)
            added = partial(_added, with_=_laps(seconds[kind, way]), without=_laps(bare))
            overhead = Measurement(
                metric="overhead",
                value=(with_.value - without.value) / without.value,
                interval=interval(torch.arange(min(with_.n, without.n)), added),
                n=min(with_.n, without.n),
                protocol=f"(with - without) / without the quantiser, of medians in turns, {where}",
                conditions=conditions | {"way": way},
            )
            found += [with_, overhead]
    return found


def _laps(seconds: list[float]) -> Tensor:
    return torch.tensor(seconds, dtype=torch.float64)


def _added(turns: Tensor, with_: Tensor, without: Tensor) -> Tensor:
    """Of some turns, whose runs stay together: what disturbs a turn disturbs both its runs."""
    bare = without[turns.long()].quantile(0.5)
    return (with_[turns.long()].quantile(0.5) - bare) / bare


def _matching_overhead(own: list[float], without: list[float], conditions: dict, where: str) -> Measurement:
    """Appendix B's ratio, over the turns in which both were run."""
    n = min(len(own), len(without))
    own, without = _laps(own[:n]), _laps(without[:n])
    return Measurement(
        metric="matching_overhead",
        value=float(own.mean() / without.mean()),
        interval=interval(torch.arange(n), lambda turns: own[turns.long()].mean() / without[turns.long()].mean()),
        n=n,
        protocol=f"the quantiser by itself / a reconstruction without it, of means over all turns, {where}",
        conditions=conditions,
    )
