"""What matching costs: added to a reconstruction, and beside other searches (Figure 5, appendix B, reading 24)."""

import time

from pqgan.engine.launch import device
from pqgan.engine.timing import device_name
from pqgan.job import Job
from pqgan.provenance import provenance
from pqgan.quantise.matching import available
from pqgan.records import Record
from pqgan.settings import Settings
from pqgan.settings.evaluation import SearchCase

from .matching_overhead import overheads
from .matching_search import Searches


def measure(settings: Settings, job: Job) -> Record:
    """Time reconstructions and searches on one device.

    Args:
        job: of chapter matching.

    Raises:
        ResourceError: the settings ask for an accelerator that this machine does not have.
    """
    bench = settings.scale.matching
    target = device(settings.scale.hardware)
    started = time.perf_counter()
    measurements = overheads(settings, target)
    searches = Searches(bench.search, target, settings.scale.seed)
    left_out: dict[tuple[str, str], list[SearchCase]] = {}
    quick = {}
    for case in bench.search.cases:
        searched = searches.measure(case)
        measurements += searched.measurements
        quick[case] = searched.quick
        for reason in searched.left_out.items():
            left_out.setdefault(reason, []).append(case)
    origin = provenance(job)  # before the record of the peak starts anew
    for case, ways in quick.items():
        measurements += searches.memory(case, ways)
    return Record(
        kind="matching",
        name=job.name,
        scale=settings.name,
        subject={
            "F": bench.F,
            "resolution": bench.resolution,
            "batches": list(bench.batches),
            "positions": bench.search.positions,
            "backend": available(target)[0],
            "searches": len(bench.search.cases),
            "left_out": [
                {"way": way, "why": why, "cases": [case.model_dump() for case in cases]}
                for (way, why), cases in left_out.items()
            ],
        },
        measurements=measurements,
        device=device_name(target),
        dtype=f"networks {bench.precision}, quantiser fp32",
        seconds=round(time.perf_counter() - started, 3),
        provenance=origin,
    )
