"""The only training loop: batch, step, guard, log, save, stop if asked."""

from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor

from pqgan.errors import NO_ROOM, ResourceError, Stopped
from pqgan.settings.scale import Upkeep

from .guard import check_finite, gradient_norm
from .progress import Pictures, Progress
from .run_folder import RunFolder, fail_together, on_first
from .state import TrainingState
from .stop import StopRequests
from .workers import loader_failure

if TYPE_CHECKING:
    from lightning_fabric import Fabric


class Update(NamedTuple):
    """One call of an optimiser, as a step asks for it."""

    optimiser: str
    """Its name in the state."""
    loss: Tensor
    """Scalar whose gradient it follows."""
    losses: Mapping[str, Tensor]
    """Scalars for the log; the guard looks at them too."""


Step = Callable[[int, Any], Iterator[Update]]
"""(number from 0, batch) -> updates; what follows a `yield` runs after that update."""


def fit(
    fabric: "Fabric",
    step: Step,
    state: TrainingState,
    batches: Callable[[int], Generator[tuple[int, Any], None, None]],
    *,
    run: RunFolder,
    upkeep: Upkeep,
    steps: int,
    log_every: int,
    name: str,
    pictures: Pictures | None = None,
) -> None:
    """Train from the newest checkpoint of the run, or from the start, to the last step.

    Args:
        fabric: launched; it has set up the state's modules and optimisers.
        step: the losses of a batch.
        state: as at step 0.
        batches: number of the first step -> (number, batch) pairs from there on; a batch has `images` (B, ...). Closed
            however the training ends, so that no loader process outlives it.
        run: owned run folder.
        upkeep: how often to save and to show pictures.
        steps: total updates.
        log_every: updates that a line of train.jsonl covers.
        name: for progress lines.
        pictures: what to show now and then.

    Raises:
        NumericalError: a loss, gradient or weight is not finite.
        Stopped: a signal asked for it; everything is saved.
        ResourceError: memory, disk, or a loader process that is gone.
    """
    checkpoint = on_first(fabric, run.resume)
    if checkpoint:
        state.load(checkpoint.tensors(), checkpoint.step)
    log = checkpoint.log() if checkpoint else b""
    with (
        _clear_errors(),
        StopRequests() as stop,
        Progress(fabric, state, run, name=name, steps=steps, log_every=log_every, log=log) as progress,
        closing(batches(state.step)) as supply,
    ):
        for number, batch in supply:
            for update in step(number, batch):
                _apply(fabric, state.optimisers[update.optimiser], update, number)
                progress.add(update.losses)
            state.step = number + 1
            progress.step(len(batch.images) * fabric.world_size, _rates(state))
            if pictures and fabric.is_global_zero and (state.step % upkeep.pictures_every == 0 or state.step == steps):
                progress.pictures(pictures)
            stopping = _asked(fabric, stop)
            if stopping or state.step % upkeep.checkpoint_every == 0 or state.step == steps:
                progress.share()
                on_first(fabric, lambda: run.save(state, upkeep.checkpoints_kept))
            if stopping:
                why = stop.signal or "a signal to another process"
                message = f"{why} at step {state.step}/{steps}: stopped and saved in {run.checkpoints}"
                fail_together(fabric, Stopped(f"{message}; the same command goes on from there"))


@contextmanager
def _clear_errors() -> Iterator[None]:
    """Say in one line what ran out; torch says it in pages, and of a dead loader process at any point of a step."""
    advice = "lower the batch, or use more or larger devices; nothing is resized on its own, as that changes results"
    try:
        yield
    except torch.OutOfMemoryError as error:
        raise ResourceError(f"out of accelerator memory: {str(error).splitlines()[0]}; {advice}") from None
    except MemoryError:
        raise ResourceError(f"hardware.mem_mb: out of memory; {advice}") from None
    except OSError as error:
        if error.errno not in NO_ROOM:
            raise
        raise ResourceError(
            f"log or TensorBoard files of the run cannot be written: {error.strerror}; "
            "free space or raise the limit, then run the same command again"
        ) from None
    except RuntimeError as error:
        if failure := loader_failure(error):
            raise failure from None
        if "can't allocate memory" in str(error):
            raise ResourceError(f"hardware.mem_mb: out of memory; {advice}") from None
        raise


def _apply(fabric: "Fabric", optimiser: torch.optim.Optimizer, update: Update, number: int) -> None:
    optimiser.zero_grad(set_to_none=True)
    fabric.backward(update.loss)
    parameters = [parameter for group in optimiser.param_groups for parameter in group["params"]]
    norm = {f"gradient of the {update.optimiser}": gradient_norm(parameters)}
    check_finite(fabric, {**update.losses, **norm}, number)
    optimiser.step()


def _asked(fabric: "Fabric", stop: StopRequests) -> bool:
    """Whether any process was asked to stop: all must leave the loop at the same step."""
    if fabric.world_size == 1:
        return stop.signal is not None
    asked = torch.tensor(float(stop.signal is not None), device=fabric.device)
    return bool(fabric.all_reduce(asked, reduce_op="sum") > 0)


def _rates(state: TrainingState) -> dict[str, float]:
    return {name: optimiser.param_groups[0]["lr"] for name, optimiser in state.optimisers.items()}
