"""The best tokenizer of a downsampling factor, measured or as the paper names it (reading 1; appendix A.1)."""

import math
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from pqgan import origin
from pqgan.errors import DataError
from pqgan.job import Job
from pqgan.metrics import METRICS
from pqgan.provenance import write_provenance
from pqgan.records import read_record
from pqgan.settings import Settings
from pqgan.storage.atomic import write_text
from pqgan.storage.outputs import new_result

from .selected import FILE, TOP, TRAINING, Candidate, Selected


def run(settings: Settings, job: Job, *, out: Path) -> None:
    """Copy the selected tokenizer and say why it was selected.

    A candidate of which a metric is no finite number is named and left out.

    Args:
        job: of chapter select; its inputs are the candidates and, where they are measured, their evaluations.
        out: folder of the copy, with `selected.json` beside it.

    Raises:
        DataError: a candidate has no measurement of a metric on the validation set, none has all of them finite, or a
            result is not that of its address.
    """
    models = {role.removeprefix("model-"): other for role, other in job.inputs.items() if role.startswith("model-")}
    selection = settings.scale.selection
    metrics: tuple[str, ...] = ()
    candidates: dict[str, Candidate] = {}
    left_out: list[str] = []
    if selection.mode == "measured":
        metrics = selection.metrics
        measured = {name: _measured(job.inputs[f"metrics-{name}"], metrics) for name in models}
        left_out = [name for name, values in measured.items() if not _is_finite(values)]
        for name in left_out:
            bad = {metric: value for metric, value in measured[name].items() if not math.isfinite(value)}
            print(f"{job.name}: {name} is left out: its {_told(bad)}", flush=True)
        candidates = ranked(measured, metrics)
    chosen = next(iter(candidates or models))
    source = Path(models[chosen].path)
    origin.read_origin(source, models[chosen])
    with new_result(out, job.chapter) as folder:
        shutil.copytree(source, folder, dirs_exist_ok=True)
        (folder / origin.FILE).rename(folder / TRAINING)
        about = Selected(
            run=chosen,
            F=int(job.name.removeprefix("f")),
            mode=selection.mode,
            metrics=metrics,
            candidates=candidates,
            top=tuple(candidates)[:TOP],
            left_out=tuple(left_out),
            model=str(source),
        )
        write_text(folder / FILE, about.model_dump_json(indent=1) + "\n")
        write_provenance(folder, job)


def _measured(job: Job, metrics: Sequence[str]) -> dict[str, float]:
    record = read_record(job.path, job)
    found = {}
    for metric in metrics:
        measurement = record.get(metric, on="val")
        if measurement is None:
            raise DataError(f"{job.path}/metrics.json: no headline {metric!r} on val; evaluate it again")
        found[metric] = measurement.value
    return found


def _told(values: Mapping[str, float]) -> str:
    return ", ".join(f"{metric} is {value}" for metric, value in values.items())


def _is_finite(values: Mapping[str, float]) -> bool:
    return all(map(math.isfinite, values.values()))


def ranked(measured: Mapping[str, Mapping[str, float]], metrics: Sequence[str]) -> dict[str, Candidate]:
    """Candidates whose metrics are all finite, best first: by the mean of their ranks over the metrics.

    Equal values share the mean of their ranks. Of equal means the better by the first metric comes first, then the
    first by name: the address of a selection does not depend on the order of its candidates in params.yaml.

    Args:
        measured: candidate -> metric -> value.

    Raises:
        DataError: no candidate has all metrics finite.
    """
    finite = {name: values for name, values in measured.items() if _is_finite(values)}
    if not finite:
        told = "; ".join(f"{name}: {_told(values)}" for name, values in measured.items())
        raise DataError(f"select: no candidate has a finite {' and '.join(metrics)} ({told}); train or evaluate again")
    # smaller is better everywhere
    costs = {
        name: [-values[metric] if METRICS[metric].better == "up" else values[metric] for metric in metrics]
        for name, values in finite.items()
    }
    ranks: dict[str, float] = {}
    for name, own in costs.items():
        each = []
        for cost, column in zip(own, zip(*costs.values(), strict=True), strict=True):
            before, equal = sum(other < cost for other in column), column.count(cost)
            each.append(before + (equal + 1) / 2)
        ranks[name] = sum(each) / len(each)
    order = sorted(finite, key=lambda name: (ranks[name], costs[name][0], name))
    return {name: Candidate(values=dict(finite[name]), mean_rank=ranks[name]) for name in order}
