"""The measurements of `pqgan bench train`: the training loop itself, and the plain reference step beside it."""

import gc
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, nullcontext
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from pqgan.data.batches import Batch, training_batches
from pqgan.data.prepared import PreparedSet
from pqgan.engine.flops import Flops
from pqgan.engine.loop import Update, fit
from pqgan.engine.run_folder import open_run
from pqgan.engine.step_random import Draws
from pqgan.engine.timed_parts import timed_part, timing_parts
from pqgan.engine.timing import Stopwatch, peak_memory
from pqgan.errors import Stopped
from pqgan.quantise.product import ProductQuantiser
from pqgan.randomness import generator_at
from pqgan.settings import Settings
from pqgan.settings.configurations import TokenizerConfig
from pqgan.settings.readings import learning_rate
from pqgan.tokenizer.assemble import assemble, new_discriminator
from pqgan.tokenizer.build import build
from pqgan.tokenizer.perceptual import Perceptual
from pqgan.tokenizer.step import Generator

from .peak_flops import synchronise
from .plain_step import ReferenceStep
from .training_result import Measured

if TYPE_CHECKING:
    from lightning_fabric import Fabric

WARM_UP = 5
"""Steps that no clock sees; compilers and allocators do their work in them."""


class _Done(Exception):
    """Leaves the loop, which would otherwise save what it trained."""


class Bench:
    """One configuration, set up as for training, with a discriminator that plays from the first update.

    Args:
        fabric: launched, one process.
        settings: whose hardware is to be used.
        config: of the tokenizer.
        data: prepared set; the same random images in every step where None.
    """

    def __init__(self, fabric: "Fabric", settings: Settings, config: TokenizerConfig, data: PreparedSet | None):
        self.fabric, self.settings, self.config, self.data = fabric, settings, config, data
        self.training, self.batch = settings.scale.tokenizer.training_of(config), settings.reading.training.total_batch
        # untrained ones take the same time as published ones, and no download
        self.features = settings.scale.evaluation.features.model_copy(update={"weights": "random"})
        self.found = Measured(self.batch)

    def run(self, steps: int, reference: bool) -> Measured:
        """Measure a number of steps."""
        settings = self.settings
        self.model = self._model()
        step, state = assemble(
            self.fabric,
            settings,
            self.model,
            self.config,
            new_discriminator(settings),
            self.features,
            training=self.training,
            batch=self.batch,
            discriminator_start=1,
        )

        def named(number: int, batch: Batch) -> Iterator[Update]:
            for update in step(number, batch):
                with timed_part(update.optimiser):  # what the loop does with it
                    yield update

        total = WARM_UP + self._prefetched() + steps + reference * steps + 2  # one more than are taken
        with TemporaryDirectory() as folder, open_run(self.fabric, Path(folder), {}) as run:
            try:
                fit(
                    self.fabric,
                    named,
                    state,
                    lambda first: self._schedule(steps, reference, total),
                    run=run,
                    upkeep=settings.scale.upkeep.model_copy(update={"checkpoint_every": total}),
                    steps=total,
                    log_every=total,
                    name=f"bench {self.config.name}",
                )
            except _Done:
                pass
            except Stopped:
                raise KeyboardInterrupt from None
        return self.found

    def _model(self) -> nn.Module:
        return build(
            self.config,
            self.settings.scale.tokenizer.trunk(self.config),
            self.settings.reading,
            self.settings.scale.seed,
        )

    def _prefetched(self) -> int:
        """Batches that loader processes may have ready before anybody asks."""
        return 2 * self.settings.scale.hardware.workers if self.data else 0

    def _supply(self, steps: int) -> Iterator[tuple[int, Batch]]:
        side, device, seed = self.training.resolution, self.fabric.device, self.settings.scale.seed
        if self.data is None:
            generator = generator_at(seed, 0, "bench images")
            images = (torch.rand(self.batch, 3, side, side, generator=generator) * 2 - 1).to(device)
            for number in range(steps):
                yield number, Batch(images, torch.full((self.batch,), -1, device=device), [""] * self.batch)
            return
        with closing(
            training_batches(
                self.data,
                batch=self.batch,
                resolution=side,
                steps=range(steps),
                seed=seed,
                geometry=self.settings.reading.data.geometry,
                workers=self.settings.scale.hardware.workers,
                device=device,
            )
        ) as batches:
            yield from batches

    def _schedule(self, steps: int, reference: bool, total: int) -> Iterator[tuple[int, Batch]]:
        """The loop's batches; whenever it asks for the next one, a step is over."""
        found, device = self.found, self.fabric.device
        with closing(self._supply(total)) as supply:

            def one(times: list[float], waiting: list[float]) -> Iterator[tuple[int, Batch]]:
                start = time.perf_counter()
                self.last = next(supply)
                waiting.append(time.perf_counter() - start)
                yield self.last
                synchronise(device)
                times.append(time.perf_counter() - start)

            for _ in range(WARM_UP + self._prefetched()):
                yield from one([], [])
            with self._memory("ours"), timing_parts(device) as stopwatches:
                for _ in range(steps):
                    yield from one(found.alone, found.waiting)
            found.sections = {name: sum(stopwatch.laps()) for name, stopwatch in stopwatches.items()}
            found.quantiser = self._quantiser_seconds(steps)
            if reference:
                yield from self._against_reference(steps, one)
            with self._flops("ours"):
                yield from one([], [])
        raise _Done

    def _against_reference(self, steps: int, one: Callable) -> Iterator[tuple[int, Batch]]:
        found, device = self.found, self.fabric.device
        with self._memory("reference"):
            plain = self._reference()
            for _ in range(WARM_UP):
                plain()
        for _ in range(steps):
            yield from one(found.ours, [])
            start = time.perf_counter()
            plain()
            synchronise(device)
            found.reference.append(time.perf_counter() - start)
        with self._flops("reference"):
            plain()

    def _reference(self) -> Callable[[], object]:
        """One step of the plain code on the newest batch."""
        device, draws = self.fabric.device, Draws(self.fabric, self.settings.scale.seed)
        step = ReferenceStep(
            Generator(self._model().train(), self.config).to(device),
            new_discriminator(self.settings).train().to(device),
            Perceptual(self.features, self.features.perceptual).to(device),
            learning_rate=learning_rate(
                self.training.learning_rate, self.batch, self.settings.reading.training.scale_lr
            ),
            betas=self.training.betas,
            perceptual_weight=self.training.perceptual_weight,
            discriminator_weight=self.settings.reading.training.discriminator_weight,
        )

        def run() -> object:
            number, batch = self.last
            return step(batch.images, lambda shape: draws.normal(number, "posterior", shape))

        return run

    @contextmanager
    def _memory(self, whose: str) -> Iterator[None]:
        """Peak of a block; of the reference above what was there before it, which is ours."""
        device, before = self.fabric.device, 0
        if device.type == "cuda":
            gc.collect()
            torch.cuda.reset_peak_memory_stats(device)
            before = torch.cuda.memory_allocated(device) if whose == "reference" else 0
        yield
        if device.type == "cuda" or whose == "ours":  # what a process has ever held says nothing of the second
            self.found.memory[whose] = peak_memory(device)[0] - before

    @contextmanager
    def _flops(self, whose: str) -> Iterator[None]:
        with torch.compiler.set_stance("force_eager"), Flops() as counter:
            yield
        self.found.flops[whose] = counter.total

    def _quantiser_seconds(self, repeats: int) -> list[float]:
        quantiser = getattr(self.model, "quantiser", None)
        if not isinstance(quantiser, ProductQuantiser):
            return []
        with torch.no_grad(), self.fabric.autocast():
            z_e = self.model.encode_continuous(self.last[1].images).float().requires_grad_()  # (B, d, h, w)

        def work() -> Tensor:
            quantised = quantiser(z_e)
            return quantised.z_q.sum() + quantised.loss

        work = torch.compile(work) if self.settings.scale.hardware.compile else work
        stopwatch = Stopwatch(z_e.device)
        for repeat in range(WARM_UP + repeats):
            with stopwatch.lap() if repeat >= WARM_UP else nullcontext():
                work().backward()
        return stopwatch.laps()
