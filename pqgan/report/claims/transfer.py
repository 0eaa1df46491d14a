"""Claims of section 4.4 and Table 2: the same tokenizers on other sets."""

import math
from collections.abc import Callable

from pqgan.records import Measurement

from . import cells
from .baselines import COARSE, FINE, goodness, measured, missing
from .comparisons import SLACK, better, negative, within
from .contrasts import Estimate
from .evidence import ON, Evidence
from .findings import Finding, beside, every, limited, needs, number, of_selected
from .sweep import QUALITY

FACES, SCENES = "FFHQ", "LSUN"
"""Roles of Table 2."""


def psnr_rises(evidence: Evidence) -> list[Finding]:
    """PSNR on the faces less that on the validation set, of every model."""
    return [_moved(evidence, "psnr", FACES, lambda result: result, "Rise")]


def lpips_stays(evidence: Evidence) -> list[Finding]:
    """What is left of a tenth, to both sides, once LPIPS has changed from the validation set to the scenes."""
    words = f"×{SLACK:g} over the size of the change"
    return [_moved(evidence, "lpips", SCENES, lambda result: within(result, math.log(SLACK)), words)]


def distances_rise(evidence: Evidence) -> list[Finding]:
    """How much worse rFID and CMMD are on each other set, of every model."""
    return [
        _moved(evidence, metric, role, negative, "Rise (fewer images raise it too)")
        for metric in ("rfid", "cmmd")
        for role in (FACES, SCENES)
    ]


def _moved(evidence: Evidence, metric: str, role: str, judged: Callable[[Estimate], Estimate], words: str) -> Finding:
    """The gain from the validation set to another, of every model that was measured on both."""
    names = _models(evidence)
    values: dict[str, tuple[Measurement, Measurement]] = {}
    for label, name in names.items():
        before, after = (evidence.value("evaluate", name, metric, on) for on in (ON, role))
        if before is not None and after is not None:
            values[label] = before, after
    if not values:
        return needs(f"a set in the role of {role}")
    said = [
        f"{name}: {number(metric, old.value)} to {number(metric, new.value)}" for name, (old, new) in values.items()
    ]
    return every(
        metric,
        f"{words} from the validation set to {_shown(evidence, role)}; each of {len(values)} models",
        [judged(better(metric, after, before)) for before, after in values.values()],
        "; ".join(said),
        [item for pair in values.values() for item in pair],
    )


def _models(evidence: Evidence) -> dict[str, str]:
    """Label -> name of the models of Table 2: the selected, KL autoencoders, published ones."""
    selected = filter(None, (evidence.selected(factor) for factor in evidence.settings.scale.selection.factors))
    own = [*selected, *_kl(evidence)]
    published = {str(model): name for name, model in evidence.published().items() if name not in own}
    return {name: name for name in own} | published


def _shown(evidence: Evidence, role: str) -> str:
    prepared = evidence.settings.scale.evaluation.transfer.get(role, role)
    return role if prepared.lower() == role.lower() else f"{role} (here {prepared})"


def first(evidence: Evidence) -> list[Finding]:
    """The selected PQ of each F less the best of all others, on both sets and by each metric."""
    return of_selected(
        evidence,
        (FINE, COARSE),
        lambda _, pq: [_first(evidence, pq, role, metric) for role in (FACES, SCENES) for metric in QUALITY],
    )


def _first(evidence: Evidence, pq: str, role: str, metric: str) -> Finding:
    own = evidence.value("evaluate", pq, metric, role)
    lines = cells.baselines(cells.table2(evidence.paper, role))
    values = {name: evidence.value("evaluate", name, metric, role) for name in _kl(evidence)}
    published = measured(evidence, cells.known(evidence.paper, lines), metric, role)
    values |= {str(model): item for model, item in published.items()}
    values = {name: item for name, item in values.items() if item is not None}
    if own is None or not values:
        return needs(f"{'a PQ' if own is None else 'another model'} on a set in the role of {role}")
    best = max(values, key=lambda name: goodness(metric, values[name]))
    compared = f"{pq} against {best}, by this metric the best of the others ({len(values)}) on {_shown(evidence, role)}"
    row = beside(metric, compared, better(metric, own, values[best]), {"PQ": own, best: values[best]})
    there = {(model.method, model.F) for model in published}
    lacking = missing(lines, metric, [line.model for line in lines if (line.model.method, line.model.F) in there], max)
    return limited(row, lacking)


def _kl(evidence: Evidence) -> list[str]:
    return [name for name, config in evidence.designs.items() if config.kind == "kl"]
