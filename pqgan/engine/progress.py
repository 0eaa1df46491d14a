"""What a training says while it runs: a bar or plain lines, train.jsonl, TensorBoard."""

import json
import sys
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from tqdm import tqdm

from .run_folder import RunFolder
from .state import TrainingState

if TYPE_CHECKING:
    from lightning_fabric import Fabric

Pictures = Callable[[], Mapping[str, Tensor]]
"""Makes pictures (3, H, W), uint8, by name."""


class Progress:
    """Means of losses over the updates between two lines, wherever they are shown.

    Args:
        fabric: launched; only its first process writes.
        state: whose means these are, so that an interrupted run logs what an undisturbed one does.
        run: folder of train.jsonl and TensorBoard files.
        name: of the training, for bar and lines.
        steps: total updates.
        log_every: updates a line covers.
        log: what train.jsonl held at the state's step.
    """

    def __init__(
        self,
        fabric: "Fabric",
        state: TrainingState,
        run: RunFolder,
        *,
        name: str,
        steps: int,
        log_every: int,
        log: bytes,
    ):
        self.fabric, self.state, self.name, self.steps, self.log_every = fabric, state, name, steps, log_every
        self.run, self.writes, self.terminal = run, fabric.is_global_zero, sys.stderr.isatty()
        self._before = log

    def __enter__(self) -> "Progress":
        self._since = self._line = time.perf_counter()
        self._images, self._from = 0, self.state.step
        self.bar = tqdm(
            total=self.steps,
            initial=self.state.step,
            desc=self.name,
            unit="step",
            disable=not (self.terminal and self.writes),
        )
        if self.writes:
            from torch.utils.tensorboard import SummaryWriter

            self.run.log.write_bytes(self._before)
            self._log, self._said = open(self.run.log, "a"), open(self.run.said, "a")
            self._board = SummaryWriter(self.run.tensorboard, purge_step=self.state.step + 1)
            if self.state.step:
                self._say(f"{self.name} goes on from step {self.state.step}/{self.steps}")
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, *_) -> None:
        self.bar.close()
        if self.writes:
            if kind:
                self._note(f"ended by {kind.__name__}: {error}")
            self._log.close()
            self._said.close()
            self._board.close()

    def _say(self, line: str) -> None:
        self._note(line)
        if not self.terminal:
            print(line, flush=True)

    def _note(self, line: str) -> None:
        # besides the job's own log, which a workflow deletes before it tries again
        self._said.write(f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} {line}\n")
        self._said.flush()

    def add(self, losses: Mapping[str, Tensor]) -> None:
        """Count losses of an update in."""
        for key, loss in losses.items():
            value = loss.detach().double().mean()
            pair = torch.stack([value, torch.ones_like(value)])  # (2,)
            before = self.state.means.get(key)
            self.state.means[key] = pair if before is None else before.to(pair.device) + pair

    def step(self, images: int, rates: Mapping[str, float]) -> None:
        """An update is done; write a line if one is due.

        Args:
            images: of all processes in this step.
            rates: learning rate of each optimiser.
        """
        now = time.perf_counter()
        self.state.seconds += now - self._since
        self._since = now
        self._images += images
        self.bar.update()
        if self.state.step % self.log_every and self.state.step != self.steps:
            return
        self.share()
        means = {key: float(total / count) for key, (total, count) in self.state.means.items()}
        self.state.means = {}
        # the log's seconds are those of all attempts, speed and end of this one
        seconds, span = self.state.seconds, now - self._line
        speed = self._images / span
        left = (self.steps - self.state.step) * span / (self.state.step - self._from)
        self.state.seconds, self._line, self._images, self._from = 0.0, now, 0, self.state.step
        if self.writes:
            self._write(means, rates, seconds, speed, left)

    def share(self) -> None:
        """Average the means over processes, so that the first one's are everybody's."""
        if self.fabric.world_size > 1:
            for key in sorted(self.state.means):
                self.state.means[key] = self.fabric.all_reduce(self.state.means[key], reduce_op="mean")

    def _write(
        self, means: dict[str, float], rates: Mapping[str, float], seconds: float, speed: float, left: float
    ) -> None:
        number = self.state.step
        line: dict[str, Any] = {"step": number, **means}
        for name, rate in rates.items():
            line[f"learning_rate/{name}"] = rate
        for key, value in line.items():
            if key != "step":
                self._board.add_scalar(key if "/" in key else f"loss/{key}", value, number)
        self._board.add_scalar("speed/images_per_second", speed, number)
        line |= {"images_per_second": round(speed, 3), "seconds": round(seconds, 4)}
        self._log.write(json.dumps(line) + "\n")
        self._log.flush()
        shown = " ".join(f"{key}={mean:.4g}" for key, mean in means.items())
        self.bar.set_postfix_str(f"{shown} {speed:.1f} images/s")
        end = tqdm.format_interval(left)
        self._say(f"{self.name} step {number}/{self.steps} {shown} {speed:.1f} images/s, {end} left")

    def pictures(self, make: Pictures) -> None:
        """Show pictures of this step in TensorBoard; for the first process."""
        for name, picture in make().items():
            self._board.add_image(name, picture, self.state.step)
