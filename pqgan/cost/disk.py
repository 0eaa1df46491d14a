"""How many bytes a training writes, from its settings and the counts behind `pqgan cost`."""

from contextlib import suppress
from math import isfinite, nan
from typing import Any

from pqgan.errors import DataError, SettingsError
from pqgan.plan import Plan
from pqgan.settings import LinearConfig

from .job_operations import TRAININGS, Task
from .network_passes import Counts, Work


class _Known(Counts):
    """What was not counted is NaN, and so is all that follows from it."""

    def _row(self, work: Work) -> dict[str, Any]:
        try:
            return super()._row(work)
        except DataError:
            return {"operations": nan, "parameters": nan}


def training_bytes(plan: Plan) -> dict[tuple[str, str], int]:
    """Chapter and name of a training -> bytes that it has on disk at the most: the result, checkpoints, pictures.

    Logs and the heads of files are left out, and so are trainings of networks that the package has not counted.
    """
    found: dict[tuple[str, str], int] = {}
    for chapter in TRAININGS:
        # a backbone whose shape is not known
        with suppress(SettingsError):
            known = (task for task in chapter(plan, _Known()) if isfinite(task.parameters))
            found |= {(task.job.chapter, task.job.name): _bytes(plan, task) for task in known}
    return found | _fitted(plan)


def _fitted(plan: Plan) -> dict[tuple[str, str], int]:
    """Bytes of linear tokenizers: two matrices of patches, colours and codebooks, and the checkpoints of them."""
    configs = plan.settings.scale.tokenizer.configs
    copies = plan.settings.scale.upkeep.checkpoints_kept + 2
    return {
        (job.chapter, name): 4 * copies * ((2 * 3 * config.F**2 + 1 + config.K) * config.d + 3)
        for name, job in plan.chapter("tokenizer").items()
        if isinstance(config := configs[name], LinearConfig)
    }


def _bytes(plan: Plan, task: Task) -> int:
    """Bytes of one: a new checkpoint is whole before the oldest goes."""
    checkpoints = plan.settings.scale.upkeep.checkpoints_kept + 1
    return 4 * (task.parameters + checkpoints * task.checkpoint) + _pictures(plan, task)


def _pictures(plan: Plan, task: Task) -> int:
    """Bytes of a tokenizer's images and reconstructions for TensorBoard, if PNG saved nothing."""
    scale = plan.settings.scale
    if task.job.chapter == "tokenizer":
        training = scale.tokenizer.training_of(scale.tokenizer.configs[task.job.name])
    elif task.job.chapter == "finetune":
        training = scale.finetune.training
    else:
        return 0
    times = training.steps // scale.upkeep.pictures_every + 1
    return times * scale.upkeep.pictures * 2 * 3 * training.resolution**2
