"""The plan as it is once selections are made, for tests that make none; and selections as if they had been made."""

from collections.abc import Mapping
from pathlib import Path

from pqgan.plan import Plan
from pqgan.provenance import write_provenance
from pqgan.settings import Settings
from pqgan.storage.atomic import write_text
from pqgan.storage.outputs import new_result
from pqgan.tokenizer.selected import FILE, TOP, Candidate, Selected


def whole_plan(settings: Settings) -> Plan:
    """The plan of a scale whose selections chose what is expected of them."""
    return Plan(settings, settings.expected_selection)


def pretend_selected(settings: Settings, below: Path, chosen: Mapping[int, str] | None = None) -> None:
    """Write every selection of a scale at its address, without a model.

    Args:
        below: folder that addresses are relative to.
        chosen: factor F -> configuration; what is expected where None.
    """
    for factor, best in (chosen or settings.expected_selection).items():
        job = Plan(settings).job("select", f"f{factor}")
        metrics = settings.scale.selection.metrics
        order = sorted(settings.candidates(factor), key=lambda name: name != best)
        ranked = {
            name: Candidate(values=dict.fromkeys(metrics, 1.0), mean_rank=rank) for rank, name in enumerate(order, 1)
        }
        about = Selected(
            run=best, F=factor, mode="measured", metrics=metrics, candidates=ranked, top=tuple(ranked)[:TOP], model="x"
        )
        with new_result(below / job.path, "select") as folder:
            write_text(folder / FILE, about.model_dump_json())
            write_provenance(folder, job)
