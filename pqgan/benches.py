"""Benches in which more than one chapter has a part."""

from collections.abc import Sequence
from pathlib import Path

from pqgan.evaluate import matching as evaluation
from pqgan.job import Job
from pqgan.records import read_record
from pqgan.report.figures.matching import draw
from pqgan.report.figures.style import files, style
from pqgan.settings import Settings
from pqgan.settings.evaluation import SearchCase
from pqgan.storage.atomic import write_bytes
from pqgan.storage.manifest import write_sums


def matching(settings: Settings, job: Job, *, out: Path, figure: bool = True) -> None:
    """Measure what matching costs, print the table, and draw Figure 5 beside the numbers.

    Args:
        job: of chapter matching.
        out: metrics.json, table.txt, figure5.pdf and figure5.png.
        figure: whether it is drawn.
    """
    evaluation.run(settings, job, out=out)
    print((out / "table.txt").read_text())
    if figure:
        with style():
            picture = draw(settings, read_record(out))
        for kind, content in files(picture).items():
            write_bytes(out / f"figure5.{kind}", content)
        write_sums(out)
    print("\n".join(str(path) for path in sorted(out.iterdir())))


def changed(
    settings: Settings,
    *,
    threads: int | None = None,
    positions: int | None = None,
    cases: Sequence[SearchCase] | None = None,
    reconstructions: bool = True,
) -> Settings:
    """Settings in which other things are measured, or on other threads; so the result has another address.

    Args:
        threads: instead of hardware.cpus, which is no part of an address.
        positions: instead of matching.search.positions.
        cases: instead of matching.search.cases.
        reconstructions: whether matching.configs are measured.
    """
    scale = settings.scale
    search = {"positions": positions, "cases": tuple(cases) if cases else None}
    bench = {"search": _updated(scale.matching.search, search), "configs": None if reconstructions else ()}
    scale = scale.model_copy(
        update={
            "hardware": _updated(scale.hardware, {"cpus": threads}),
            "matching": _updated(scale.matching, bench),
        }
    )
    return settings.model_copy(update={"scale": scale})


def _updated(section, values: dict):
    return section.model_copy(update={key: value for key, value in values.items() if value is not None})
