"""A finished training becomes a result."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from safetensors import SafetensorError

from pqgan.errors import ResourceError
from pqgan.job import Job
from pqgan.provenance import write_provenance
from pqgan.storage.manifest import new_result

from .run_folder import RunFolder, on_first
from .state import TrainingState

if TYPE_CHECKING:
    from lightning_fabric import Fabric


def publish(
    fabric: "Fabric", run: RunFolder, state: TrainingState, job: Job, out: Path, write: Callable[[Path], None]
) -> None:
    """Make the folder `out`, from the first process alone.

    The checkpoints stay until the result is used (run_folder.settle): a workflow that is killed before it has noted the
    result deletes it and asks for it again.

    Args:
        run: of the training, at its last step.
        state: likewise; its hash goes into provenance.json, so that two runs can be compared.
        job: that was trained.
        out: folder of the result, replaced where it is there.
        write: fills a folder with the trained networks.
    """

    def make() -> None:
        # over all attempts: an interrupted run logs what it did in each
        seconds = sum(json.loads(line)["seconds"] for line in run.log.read_text().splitlines())
        training = {"steps": state.step, "seconds": round(seconds, 2), "state_sha256": state.sha256()}
        for left in out.parent.glob("*"):
            # by a run that was killed here; nobody else is at it, because the run folder is owned
            if left.name.startswith(f".{out.name}."):
                shutil.rmtree(left)
        try:
            with new_result(out) as folder:
                write(folder)
                shutil.copyfile(run.log, folder / run.log.name)
                write_provenance(folder, job, training=training)
        except (OSError, SafetensorError) as error:
            raise ResourceError(
                f"{out}: cannot be written: {error}; free space, then run the same command again"
            ) from None

    on_first(fabric, make)
