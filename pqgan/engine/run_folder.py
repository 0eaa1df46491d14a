"""Where a training lives until its result is published.

    runs/<scale>/<chapter>/<name>-<digest>/
        checkpoints/    of the last steps
        train.jsonl     a line every log_every updates
        progress.log    what was said, by all attempts
        tensorboard/    the same as curves, and pictures
        owner-1.json    the process that is at it
        FAILED.json     why it is of no use to try again

Apart from results/, because Snakemake deletes a rule's outputs before it starts and when it fails.
"""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from pydantic import BaseModel

from pqgan.errors import DataError, NumericalError, PqganError, ResourceError, SettingsError
from pqgan.storage import checkpoint
from pqgan.storage import run_names as names
from pqgan.storage.atomic import write_text
from pqgan.storage.checkpoint import Checkpoint
from pqgan.storage.json_files import read_model

from .owner import Owner
from .state import TrainingState

if TYPE_CHECKING:
    from lightning_fabric import Fabric

Made = TypeVar("Made")


class Failure(BaseModel):
    """FAILED.json."""

    identity: dict[str, str]
    message: str


def on_first(fabric: "Fabric", make: Callable[[], Made]) -> Made:
    """Call `make` in the first process alone; its result or its error reaches all of them."""
    outcome: tuple = (None, None)
    if fabric.is_global_zero:
        try:
            outcome = make(), None
        except PqganError as error:
            outcome = None, error
    if fabric.world_size > 1:
        outcome = fabric.broadcast(outcome)
    made, error = outcome
    if error is not None:
        fail_together(fabric, error)
    return made


def fail_together(fabric: "Fabric", error: PqganError) -> None:
    """Raise an error that every process has found: the first says so, the others end in silence.

    Raises:
        PqganError: in the first process.
        SystemExit: with 0 in the others, because a launcher kills the first where another fails.
    """
    if fabric.is_global_zero:
        raise error
    raise SystemExit(0)


class RunFolder:
    """A run folder that this training owns.

    Args:
        path: of the folder.
        identity: digests of what is trained on what; a checkpoint of another identity is refused.
    """

    def __init__(self, path: Path, identity: Mapping[str, str]):
        self.path, self.identity = path, dict(identity)
        self.checkpoints, self.failed = path / names.CHECKPOINTS, path / names.FAILED
        self.log, self.said, self.tensorboard = path / names.LOG, path / names.SAID, path / names.TENSORBOARD
        self.owner: Owner | None = None

    def claim(self) -> None:
        """Own the folder, until `release`.

        Raises:
            SettingsError: something else lies in it.
            NumericalError: the same training has failed before.
            ResourceError: it cannot be written, or another process is at it.
        """
        names.check_run(self.path)
        try:
            self.checkpoints.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ResourceError(
                f"{self.path}: cannot be created: {error.strerror}; choose another folder with --run"
            ) from None
        owner = Owner(self.path)
        if owner.took_over:
            print(f"{self.path}: {owner.took_over} died here; going on from its last checkpoint", flush=True)
        try:
            self._refuse_known_failure()
        except PqganError:
            owner.release()
            raise
        self.owner = owner

    def release(self) -> None:
        """Give the folder up, where this process has it."""
        if self.owner:
            self.owner.release()

    def _refuse_known_failure(self) -> None:
        try:
            before = read_model(self.failed, Failure, "a failure that pqgan noted")
            if before.identity != self.identity:
                return
            message = before.message
        except DataError:
            if not os.path.lexists(self.failed):
                return
            message = "not readable"
        raise NumericalError(
            f"{message} [found by an earlier run: the same settings end the same way; "
            f"change them, or delete {self.failed} to try all the same]"
        )

    def note_failure(self, error: NumericalError) -> None:
        """Keep a failure that the same settings will only repeat."""
        failure = Failure(identity=self.identity, message=str(error))
        write_text(self.failed, failure.model_dump_json(indent=1) + "\n")

    def resume(self) -> Checkpoint | None:
        """The newest whole checkpoint of this training; says which ones it passed over.

        Raises:
            DataError: there are checkpoints, but none is whole.
            SettingsError: it is one of other settings or data.
        """
        found, wrong = checkpoint.newest(self.checkpoints)
        for reason in wrong:
            print(f"{self.checkpoints}: passed over: {reason}", flush=True)
        if found is None:
            return None
        for what, digest in self.identity.items():
            if found.identity.get(what) != digest:
                raise SettingsError(
                    f"{found.folder}: was trained with {what} {found.identity.get(what)}, this run has {digest}; "
                    "restore them, or choose another folder with --run"
                )
        return found

    def save(self, state: TrainingState, keep: int) -> None:
        """Write a checkpoint and drop the oldest.

        Raises:
            NumericalError: weights are not finite; the older checkpoints stay.
            ResourceError: it cannot be written, or the folder is no longer this process's.
        """
        if self.owner:
            self.owner.check()
        state.check_finite()
        checkpoint.write(self.checkpoints, state.step, state.tensors(), self.identity, self.log.read_bytes())
        checkpoint.prune(self.checkpoints, keep)


def settle(path: Path) -> None:
    """Drop the checkpoints of a training whose result is published and in use, if nobody is at it."""
    if not any(path.glob(names.OWNERS)):
        # others may do the same at the same time, or only be allowed to read
        with suppress(OSError):
            checkpoint.clear(path / names.CHECKPOINTS)


@contextmanager
def open_run(fabric: "Fabric", path: Path, identity: Mapping[str, str]) -> Iterator[RunFolder]:
    """The run folder of a training, owned until the block ends; a numerical failure inside is kept there.

    Args:
        fabric: launched.
        path: of the folder.
        identity: see RunFolder.
    """
    run = RunFolder(path, identity)
    on_first(fabric, run.claim)
    try:
        yield run
    except NumericalError as error:
        if fabric.is_global_zero:
            run.note_failure(error)
        raise
    finally:
        run.release()
