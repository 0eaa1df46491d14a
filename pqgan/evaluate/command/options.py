"""What `pqgan evaluate` was asked for, and whether it can be done, before anything is."""

import os
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import torch

from pqgan.data.pixels import Geometry, check_side
from pqgan.errors import ResourceError, SettingsError
from pqgan.evaluate.networks.set_features import needed
from pqgan.evaluate.original_features import ABOUT
from pqgan.machine import cores, most_processes
from pqgan.settings.evaluation import Features
from pqgan.settings.hardware import Hardware
from pqgan.settings.readings import MetricsReading
from pqgan.storage.outputs import check_folder
from pqgan.weights import locate

from .defaults import FEATURES, READINGS
from .output_names import EVALUATION, REFERENCE, name_of, place_of

WORKERS = 8
"""Most loader processes of a GPU where nothing is said."""
ONLY_OF_MODELS = ("lpips", "without", "pictures")


@dataclass(frozen=True)
class Options:
    """Those of the command line; pqgan/commands/images.py says what they mean."""

    images: Path
    model: str | None = None
    generated: Path | None = None
    out: Path | None = None
    size: int | None = None
    geometry: Geometry = "crop"
    limit: int | None = None
    batch: int | None = None
    features: Literal["pretrained", "random"] = "pretrained"
    lpips: tuple[str, ...] | None = None
    without: tuple[str, ...] | None = None
    reading: Literal["paper", "released"] = "paper"
    pictures: int | None = None
    reference: Path | None = None
    device: Literal["auto", "cpu", "cuda"] = "auto"
    devices: int = 1
    workers: int | None = None

    @property
    def name(self) -> str:
        """Of the model, or of the folder of generated images."""
        return name_of(self.model or str(self.generated))

    @property
    def place(self) -> Path:
        """Folder of the result."""
        return self.out or place_of(self.model or str(self.generated), self.images)

    @property
    def networks(self) -> Features:
        """Feature networks."""
        return FEATURES[self.features].model_copy(update={"lpips": self.lpips or FEATURES["pretrained"].lpips})

    @property
    def headlines(self) -> MetricsReading:
        """The reading's; with another LPIPS backbone where its own is not asked for."""
        reading, nets = READINGS[self.reading], self.networks.lpips
        return reading if reading.lpips in nets else reading.model_copy(update={"lpips": nets[0]})

    @property
    def left_out(self) -> tuple[str, ...]:
        """Metrics whose networks are not needed."""
        return ("lpips", "cmmd") if self.generated else self.without or ()

    @cached_property
    def hardware(self) -> Hardware:
        """One process for each device; once, because processes change the thread count that it goes by."""
        cuda = self.device != "cpu" and torch.cuda.is_available()
        threads = max(1, torch.get_num_threads() // self.devices)
        workers = min(WORKERS, threads) if cuda else 0
        return Hardware(
            accelerator="cuda" if cuda else "cpu",
            evaluation_devices=self.devices,
            cpus=threads,
            workers=workers if self.workers is None else self.workers,
            gpus=0,
            # of jobs that a scheduler starts
            mem_mb=1,
            runtime=1,
            runtime_short=1,
        )

    def shown(self) -> dict[str, Any]:
        """For metrics.json: what was given, what was measured through, and what is called the headline."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        given = {name: str(value) if isinstance(value, Path) else value for name, value in values.items()}
        return {**given, "features": self.networks.model_dump(), "reading": self.headlines.model_dump()}

    def check(self) -> None:
        """Everything that can be known at once.

        Raises:
            SettingsError: options that do not fit each other, or what is on the disk.
            ResourceError: devices or weights that are missing; names all the weights.
        """
        for option in ONLY_OF_MODELS:
            if self.generated and getattr(self, option) is not None:
                raise SettingsError(f"--{option}: belongs to reconstructions; with --generated leave it out")
        if self.reference and {"rfid", "cmmd"} <= set(self.left_out):
            raise SettingsError("--reference: holds what rfid and cmmd need, and both are left out; leave it out too")
        check_side(self.size)
        self._check_places()
        if self.device == "cuda" and not torch.cuda.is_available():
            raise ResourceError("--device: got 'cuda', but torch sees no CUDA device; run where one is, or give cpu")
        if self.hardware.accelerator == "cuda" and self.devices > torch.cuda.device_count():
            raise ResourceError(f"--devices: got {self.devices}; allowed: up to {torch.cuda.device_count()} here")
        if self.hardware.accelerator == "cpu" and self.devices > most_processes():
            raise ResourceError(
                f"--devices: got {self.devices}; allowed: up to {most_processes()} processes on {cores()} cores"
            )
        self._check_weights()

    def _check_places(self) -> None:
        read = {"--images": self.images, "--generated": self.generated}
        for option, path in {**read, "--reference": self.reference, "--out": self.place}.items():
            if path is not None and not _is_text(path):
                raise SettingsError(f"{option}: got {str(path)!a}; rename it: metrics.json takes UTF-8 alone")
        model = Path(self.model) if self.model and os.path.exists(self.model) else None
        apart = {**read, "--model": model}
        check_folder(self.place, EVALUATION, apart={**apart, "--reference": self.reference})
        if self.reference and not has_reference(self.reference):
            check_folder(self.reference, REFERENCE, option="--reference", apart=apart)

    def _check_weights(self) -> None:
        try:
            locate.require(needed(self.networks, self.headlines, self.left_out))
        except ResourceError as error:
            less = "" if self.generated else "leave metrics out (--without), or "
            raise ResourceError(f"{error}; here: {less}give --features random, which measures nothing real") from None


def has_reference(folder: Path) -> bool:
    """Whether features were kept there."""
    return (folder / ABOUT).is_file()


def _is_text(path: Path) -> bool:
    try:
        str(path.resolve()).encode()
    except UnicodeEncodeError:
        return False
    return True
