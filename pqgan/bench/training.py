"""`pqgan bench train`: how fast tokenizers train, beside a plain reference step in the same run."""

import gc
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from pqgan.data.prepared import PreparedSet
from pqgan.engine.launch import make_fabric
from pqgan.engine.timing import device_name, peak_memory
from pqgan.errors import SettingsError
from pqgan.provenance import environment
from pqgan.settings import PQConfig, Settings
from pqgan.storage.outputs import check_signed
from pqgan.storage.signed import write_signed

from . import peak_flops
from .training_steps import WARM_UP, Bench
from .training_table import table

COMMAND = "pqgan bench train"
REFERENCE = (
    "plain VQGAN step: eager, autoencoder and perceptual network once for each optimiser, "
    "two more backward passes for the adaptive weight, quantiser in a loop"
)


def run(
    settings: Settings,
    names: Sequence[str],
    *,
    steps: int,
    reference: bool = True,
    data: Path | None = None,
    out: Path | None = None,
    precision: str | None = None,
    hardware: dict[str, Any] | None = None,
) -> None:
    """Measure configurations one after the other, in one process on one device, and print one table.

    Args:
        names: of configurations; where there are none, the first product quantiser of every F.
        steps: that are timed, of ours alone and then of both in turns.
        reference: whether the plain step runs too.
        data: prepared training set; random images where None.
        out: JSON file for all figures.
        precision: instead of the reading's.
        hardware: settings instead of the scale's.

    Raises:
        SettingsError: no such configuration, or `out` is there and not the file of an earlier bench.
        DataError: no prepared set, or a damaged one.
        ResourceError: the settings ask for an accelerator that this machine does not have, or for more memory.
    """
    if out is not None:
        check_signed(out, COMMAND)
    names = names or _first_of_every_factor(settings)
    configs = settings.scale.tokenizer.configs
    for name in names:
        if name not in configs:
            raise SettingsError(
                f"no tokenizer configuration {name!r} at scale {settings.name}; allowed: those that pqgan plan lists"
            )
    chosen = settings.scale.hardware.model_copy(update=hardware or {})
    settings = settings.model_copy(update={"scale": settings.scale.model_copy(update={"hardware": chosen})})
    precision = precision or settings.reading.training.precision
    fabric = make_fabric(chosen, precision)
    prepared = PreparedSet(data) if data else None
    kind, plain = (peak_flops.arithmetic(fabric.device, each) for each in (precision, "32-true"))
    result: dict[str, Any] = {
        "protocol": {
            "scale": settings.name,
            "device": device_name(fabric.device),
            "precision": precision,
            "compile": chosen.compile,
            "channels_last": chosen.channels_last,
            "batch": settings.reading.training.total_batch,
            "resolution": settings.scale.tokenizer.training.resolution,
            "data": f"{prepared.name}, {chosen.workers} loader processes" if prepared else "random images, no loader",
            "warm_up": WARM_UP,
            "steps": steps,
            "memory": peak_memory(fabric.device)[1],
            "reference": f"{REFERENCE}, in {plain}" if reference else None,
        },
        "peak": _peaks(fabric.device, {"ours": kind, "reference": plain}),
        "configurations": {},
    }
    for name in names:
        result["configurations"][name] = (
            Bench(fabric, settings, configs[name], prepared).run(steps, reference).figures()
        )
        _tidy(fabric.device)
    result["environment"] = environment()
    print(table(result))
    if out:
        write_signed(out, result, COMMAND)


def _first_of_every_factor(settings: Settings) -> list[str]:
    first: dict[int, str] = {}
    for name, config in settings.scale.tokenizer.configs.items():
        if isinstance(config, PQConfig):
            first.setdefault(config.F, name)
    return list(first.values())


def _peaks(device: torch.device, kinds: dict[str, str]) -> dict[str, dict[str, Any]]:
    """FLOP/s of the device in the arithmetic of each variant."""
    measured = {kind: peak_flops.measured(device, kind) for kind in set(kinds.values())}
    return {
        variant: {"arithmetic": kind, "measured": measured[kind], "published": peak_flops.published(device, kind)}
        for variant, kind in kinds.items()
    }


def _tidy(device: torch.device) -> None:
    """Forget a configuration's networks and compiled code."""
    torch.compiler.reset()
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()
