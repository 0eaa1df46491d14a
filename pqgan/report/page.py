"""report.html: tables, figures, workflow, settings, readings, provenance and times in one file that opens offline."""

import base64
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any

import yaml
from jinja2 import Environment, PackageLoader, StrictUndefined

from pqgan.errors import DataError
from pqgan.items import Rendered
from pqgan.plan import Plan
from pqgan.settings import Settings
from pqgan.storage.atomic import write_text
from pqgan.storage.json_files import in_line, read_bytes, read_model
from pqgan.storage.outputs import check_file
from pqgan.storage.signed import is_signed_page, signed_page

from . import chapter_table, contents, formats, origins
from .text import cleaned
from .times import RunTimes, run_times

COMMAND = "pqgan report"
LONG = 60
"""Rows of a table from which on the page folds it up."""
BELOW = {"table5": "figure_ldm"}
"""Item -> the one that belongs directly below it."""


def run(settings: Settings, plan: Plan, folder: Path, benchmarks: Path | None, out: Path) -> None:
    """Write the page.

    Args:
        folder: of the rendered tables and figures.
        benchmarks: Snakemake's benchmark files of the scale; no run times where None or absent.
        out: the .html file.

    Raises:
        SettingsError: `out` is there and no page as it was written.
        DataError: an item is missing, damaged, or of another scale.
    """
    check_file(out, partial(is_signed_page, by=COMMAND), f"a page of {COMMAND} as it was written")
    items = [_item(settings, plan, folder, name) for name in _order(plan)]
    jobs = {job["path"]: job for item in items for job in item["provenance"]}
    environment = Environment(
        loader=PackageLoader("pqgan.report", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    page = environment.get_template("page.html.jinja").render(
        scale=settings.name,
        reading=settings.reading_name,
        images=origins.made_from(settings),
        random_networks=list(dict.fromkeys(network for item in items for network in item["random_networks"])),
        backbone=settings.scale.adapt and settings.scale.adapt.backbone,
        items=items,
        long=LONG,
        chapters=chapter_table.rows(plan),
        settings=yaml.safe_dump(
            cleaned(settings.scale.model_dump(mode="json")), sort_keys=False, width=110, allow_unicode=True
        ),
        readings=_readings(settings),
        overridden=settings.scale.overrides,
        provenance=origins.summed_up(jobs.values()),
        times=_times(plan, benchmarks, jobs),
        duration=formats.duration,
        moment=origins.moment,
    )
    write_text(out, signed_page(page, COMMAND))


def _order(plan: Plan) -> list[str]:
    shown = contents.items(plan)
    below = {name: under for name, under in BELOW.items() if name in shown and under in shown}
    moved = set(below.values())
    order = []
    for name in shown:
        if name not in moved:
            order += [name, *([below[name]] if name in below else [])]
    return order


def _item(settings: Settings, plan: Plan, folder: Path, name: str) -> dict[str, Any]:
    path = Path(folder) / f"{name}.json"
    again = f"make it again: pqgan render {name}, or snakemake {folder}/{name}.json"
    expected = f"what pqgan render writes, of each of {', '.join(contents.items(plan))}; {again}"
    found = read_model(path, Rendered, expected)
    item = found.content.model_dump()
    if item["item"] != name or item["scale"] != settings.name:
        raise DataError(
            f"{path}: is {in_line(item['item'])} of scale {in_line(repr(item['scale']))}; expected {name} of scale "
            f"{settings.name!r}; {again}"
        )
    made_from = [job["path"] for job in item["provenance"]]
    if made_from != [job.path for job in contents.inputs(plan, name)]:
        raise DataError(f"{path}: was made from results of other settings than the present ones; {again}")
    item["label"] = contents.label(name)
    if item["kind"] == "table":
        heads = groupby(item["columns"], key=lambda column: column["over"])
        item["heads"] = [{"over": over, "columns": len(list(columns))} for over, columns in heads]
    if item["kind"] == "figure":
        picture = path.with_suffix(".png")
        item["image"] = base64.b64encode(read_bytes(picture, f"the picture of the figure; {again}")).decode()
    return item


def _readings(settings: Settings) -> list[dict[str, str]]:
    """The reading in force, a row a parameter, with what its docstring says."""
    rows = []
    for group, section in settings.reading:
        if isinstance(section, dict):
            value = ", ".join(f"{key}: {chosen}" for key, chosen in section.items()) or formats.DASH
            rows.append((group, value, type(settings.reading).model_fields[group].description))
        else:
            fields = type(section).model_fields
            rows += [(f"{group}.{key}", _plain(value), fields[key].description) for key, value in section]
    return [{"name": name, "value": value, "meaning": meaning or formats.DASH} for name, value, meaning in rows]


def _plain(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _times(plan: Plan, benchmarks: Path | None, jobs: dict[str, dict[str, Any]]) -> RunTimes | None:
    if benchmarks is None or not Path(benchmarks).is_dir():
        return None
    own = {path: job["seconds"] for path, job in jobs.items()}
    found = run_times(plan, Path(benchmarks), own)
    return found if found.rules else None
