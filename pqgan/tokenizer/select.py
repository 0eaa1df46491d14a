"""The best tokenizer of a downsampling factor, measured or as the paper names it (reading 1)."""

import json
import shutil
from pathlib import Path

from pqgan.errors import DataError
from pqgan.job import Job
from pqgan.provenance import write_provenance
from pqgan.records import read_record
from pqgan.settings import Settings
from pqgan.storage.atomic import write_text
from pqgan.storage.manifest import new_result

LARGER_IS_BETTER = {"psnr"}


def run(settings: Settings, job: Job, *, out: Path) -> None:
    """Copy the selected tokenizer and say why it was selected.

    Args:
        job: of chapter select; its inputs are the candidates and, where they are measured, their evaluations.
        out: folder of the copy, with `selected.json` beside it.

    Raises:
        DataError: a candidate has no measurement of the metric on the validation set.
    """
    models = {role.removeprefix("model-"): other for role, other in job.inputs.items() if role.startswith("model-")}
    selection = settings.scale.selection
    candidates = {}
    if selection.mode == "measured":
        for name in models:
            folder = job.inputs[f"metrics-{name}"].path
            measurement = read_record(folder).get(selection.metric, on="val")
            if measurement is None:
                raise DataError(f"{folder}/metrics.json: no headline {selection.metric!r} on val; evaluate it again")
            candidates[name] = measurement.value
        best = max if selection.metric in LARGER_IS_BETTER else min
        chosen = best(candidates, key=candidates.get)
    else:
        (chosen,) = models
    source = models[chosen].path
    with new_result(out) as folder:
        shutil.copytree(source, folder, dirs_exist_ok=True)
        (folder / "provenance.json").rename(folder / "training_provenance.json")
        about = {
            "run": chosen,
            "F": int(job.name.removeprefix("f")),
            "mode": selection.mode,
            "metric": selection.metric if candidates else None,
            "candidates": candidates,
            "model": source,
        }
        write_text(folder / "selected.json", json.dumps(about, indent=1) + "\n")
        write_provenance(folder, job)
