"""A finished training becomes a result."""

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, Field, ValidationError
from safetensors import SafetensorError

from pqgan.errors import DataError, ResourceError
from pqgan.job import Job
from pqgan.provenance import write_provenance
from pqgan.storage.json_files import first_flaw, read_text
from pqgan.storage.outputs import new_result

from .run_folder import RunFolder, on_first
from .state import TrainingState

if TYPE_CHECKING:
    from lightning_fabric import Fabric


class _Line(BaseModel):
    """Of train.jsonl, of which this is read again."""

    seconds: Annotated[float, Field(ge=0, allow_inf_nan=False)]


def _logged(log: Path) -> list[_Line]:
    again = "the log of the training; run the same command again to go on from its last checkpoint"
    lines = read_text(log, again).splitlines()
    try:
        return [_Line.model_validate_json(line) for line in lines]
    except ValidationError as error:
        raise DataError(f"{log}: {first_flaw(error)}; expected {again}") from None


def publish(
    fabric: "Fabric",
    run: RunFolder,
    state: TrainingState,
    job: Job,
    out: Path,
    write: Callable[[Path], None],
    more: Callable[[], Mapping[str, Any]] = dict,
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
        more: gives further entries of provenance.json.
    """

    def make() -> None:
        # over all attempts: an interrupted run logs what it did in each
        seconds = sum(line.seconds for line in _logged(run.log))
        training = {"steps": state.step, "seconds": round(seconds, 2), "state_sha256": state.sha256()}
        try:
            with new_result(out, job.chapter) as folder:
                write(folder)
                shutil.copyfile(run.log, folder / run.log.name)
                write_provenance(folder, job, training=training, **more())
        except (OSError, SafetensorError) as error:
            raise ResourceError(
                f"{out}: cannot be written: {error}; free space, then run the same command again"
            ) from None

    on_first(fabric, make)
