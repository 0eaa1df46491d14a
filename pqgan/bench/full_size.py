"""`pqgan bench matching` and `pqgan bench generators`: the benches that run without a result of the plan."""

import json
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from pqgan.job import Job
from pqgan.plan import Plan
from pqgan.records import Record, write_record
from pqgan.report.figures import matching as reconstructions
from pqgan.report.figures import peers
from pqgan.report.figures.style import files, style
from pqgan.report.latex import latex
from pqgan.report.tables.speed import lay_out
from pqgan.settings import Settings
from pqgan.settings.evaluation import SearchCase
from pqgan.storage.atomic import write_bytes, write_text
from pqgan.storage.outputs import check_folder, new_result

from . import matching as evaluation
from . import sampling
from .matching_table import table


def matching(settings: Settings, job: Job, *, out: Path, figure: bool = True) -> None:
    """Measure what matching costs, print the table, and draw its figures beside the numbers.

    Args:
        job: of chapter matching.
        out: metrics.json, table.txt; figure5 of reconstructions and figure_peers of searches as .pdf and .png.
        figure: whether the two are drawn; one of which nothing was measured never is.
    """
    bench = settings.scale.matching
    record = evaluation.measure(settings, job)
    with new_result(out, job.chapter) as folder:
        write_record(folder, record)
        write_text(folder / "table.txt", table(record) + "\n")
        drawn = {"figure5": (reconstructions.draw, bench.configs), "figure_peers": (peers.draw, bench.search.cases)}
        for name, (draw, measured) in drawn.items() if figure else ():
            if not measured:
                continue
            with style():
                picture = draw(settings, record)
            for kind, content in files(picture).items():
                write_bytes(folder / f"{name}.{kind}", content)
    print(table(record))
    print("\n".join(str(path) for path in sorted(out.iterdir())))


def generators(settings: Settings, names: Sequence[str], *, out: Path) -> None:
    """Measure generators of Table 3 whose weights nobody trained, and write the table beside the numbers.

    Args:
        names: of generators; all of the scale where there are none.
        out: NAME/metrics.json, table3.tex, table3.json.

    Raises:
        SettingsError: no such generator.
    """
    plan = Plan(settings, settings.expected_selection)
    jobs = {name: plan.job("speed", name) for name in names or plan.chapter("speed")}
    records = []
    check_folder(out, "generators")
    with new_result(out, "generators") as folder:
        for name, job in jobs.items():
            # a process each, because the most memory that one ever held is what a CPU can say
            with ProcessPoolExecutor(1, get_context("spawn")) as alone:
                records.append(alone.submit(sampling.untrained, settings, job).result())
            (folder / name).mkdir()
            write_record(folder / name, records[-1])
            print(f"{name}: {line(records[-1])}", flush=True)
        laid_out = lay_out(settings, records)
        write_text(folder / "table3.tex", latex(laid_out))
        write_text(folder / "table3.json", json.dumps(laid_out.content(), indent=1, ensure_ascii=False) + "\n")
    print("\n".join(str(path) for path in sorted(out.rglob("*")) if path.is_file()))


def line(record: Record) -> str:
    """The numbers of a generator, for people."""
    about = "{image_size} px, F={F}, d={d}, U-Net {unet_parameters:,} parameters".format(**record.subject)
    numbers = ", ".join(f"{item.value:.4g} {item.unit} {item.metric}" for item in record.measurements)
    return f"{about}; {numbers}; {record.measurements[0].protocol}"


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
