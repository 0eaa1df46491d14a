"""Phases of a denoising training, run end to end with one optimiser."""

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from diffusers import DDIMScheduler
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from pqgan.data.batches import Batch, training_batches
from pqgan.data.prepared import PreparedSet
from pqgan.engine.launch import set_up
from pqgan.engine.loop import fit
from pqgan.engine.publish import publish
from pqgan.engine.run_folder import open_run
from pqgan.engine.state import TrainingState
from pqgan.engine.step_random import Draws
from pqgan.job import Job
from pqgan.settings import Settings
from pqgan.settings.diffusion import Phase
from pqgan.tokenizer.kinds import Tokenizer

from .step import Denoiser, DenoisingStep
from .trained_with import provenance_of

if TYPE_CHECKING:
    from lightning_fabric import Fabric


class Phases:
    """Lines of Table 4 on one count of updates, from 0."""

    def __init__(self, phases: Sequence[Phase]):
        self.phases = tuple(phases)
        self._ends = list(accumulate(phase.steps for phase in self.phases))

    @property
    def steps(self) -> int:
        return self._ends[-1]

    def learning_rate(self, number: int) -> float:
        return self.phases[bisect_right(self._ends, number)].learning_rate

    def batches(
        self, prepared: PreparedSet, settings: Settings, fabric: "Fabric", first: int = 0
    ) -> Iterator[tuple[int, Batch]]:
        """(number, batch) of all updates from `first` on; the loader of a phase starts when the phase does."""
        for phase, end in zip(self.phases, self._ends, strict=True):
            if first >= end:
                continue
            yield from training_batches(
                prepared,
                batch=phase.batch,
                resolution=phase.resolution,
                steps=range(max(first, end - phase.steps), end),
                seed=settings.scale.seed,
                geometry=settings.reading.data.geometry,
                workers=settings.scale.hardware.workers,
                rank=fabric.global_rank,
                world=fabric.world_size,
                device=fabric.device,
            )


def train(
    settings: Settings,
    fabric: "Fabric",
    job: Job,
    denoiser: Denoiser,
    scheduler: DDIMScheduler,
    tokenizer: Tokenizer,
    condition: Callable[[int, Batch], Tensor],
    prepared: PreparedSet,
    phases: Phases,
    *,
    draws: Draws,
    weight_decay: float,
    ema_decay: float | None,
    log_every: int,
    run: Path,
    out: Path,
    write: Callable[[Denoiser, Path], None],
) -> None:
    """Train what takes gradients in a denoiser and publish it, or its moving average where there is one.

    Args:
        tokenizer: frozen, on the fabric's device; its latents are those the reading names, scaled to unit variance.
        condition: (step, batch) -> condition of the denoiser.
        draws: of the run.
        weight_decay: of AdamW, whose betas are (0.9, 0.999).
        ema_decay: constant; None for no average.
        log_every: updates a line of train.jsonl covers.
        run: folder of checkpoints and log.
        out: folder of the result.
        write: puts the trained networks into a folder.

    Raises:
        NumericalError: a loss, gradient or weight is not finite.
        Stopped: a signal asked for it; everything is saved.
    """
    latent = settings.reading.adaptation.latent

    @torch.no_grad()
    def encode(images: Tensor) -> Tensor:
        return tokenizer.encode(images, latent) * tokenizer.scaling_factor

    trained = [parameter for parameter in denoiser.parameters() if parameter.requires_grad]
    optimiser = torch.optim.AdamW(
        trained, lr=phases.learning_rate(0), betas=(0.9, 0.999), weight_decay=weight_decay, fused=True
    )
    wrapped, optimiser = set_up(fabric, settings.scale.hardware, denoiser.train(), optimiser)
    modules: dict[str, nn.Module] = {"denoiser": denoiser}
    if ema_decay is not None:
        modules["ema"] = AveragedModel(denoiser, multi_avg_fn=get_ema_multi_avg_fn(ema_decay))
    ema = modules.get("ema")
    state = TrainingState(modules, {"denoiser": optimiser})
    step = DenoisingStep(
        wrapped, optimiser, scheduler, encode, condition, rate=phases.learning_rate, draws=draws, ema=ema
    )
    with open_run(fabric, run, {"settings": job.settings_digest, "data": prepared.digest}) as folder:
        fit(
            fabric,
            step,
            state,
            lambda first: phases.batches(prepared, settings, fabric, first),
            run=folder,
            upkeep=settings.scale.upkeep,
            steps=phases.steps,
            log_every=log_every,
            name=job.id,
        )
        publish(
            fabric,
            folder,
            state,
            job,
            out,
            lambda result: write(ema.module if ema else denoiser, result),
            lambda: provenance_of(tokenizer),
        )
