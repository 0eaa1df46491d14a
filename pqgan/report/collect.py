"""A report to keep: tables and figures with every number behind them, apart from the run that made them."""

import re
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from pqgan.errors import SettingsError
from pqgan.plan import Plan
from pqgan.settings import Settings
from pqgan.storage.atomic import write_text
from pqgan.storage.outputs import check_folder, new_result

from . import contents, origins, render
from .results import Results
from .text import markdown

KIND = "collect"
"""Of the folder, as its SHA256SUMS says."""
KEPT = ("metrics.json", "selected.json", "provenance.json")
"""Files of a result that are kept, where it has them; its pictures and weights are not."""


def run(settings: Settings, plan: Plan, items: Sequence[str], out: Path, collected: Path | None = None) -> None:
    """Render tables and figures into a folder of their own, with the records behind them.

    Args:
        items: table1, ..., figure10; such as read records alone, no pictures.
        out: README.md, which shows all of it; the items' files; results/CHAPTER/NAME/; SHA256SUMS.
        collected: results/ of an earlier collection, instead of those at the plan's addresses.

    Raises:
        SettingsError: no such item, or one that reads pictures.
        DataError: a result is missing or damaged.
    """
    if pictured := [item for item in items if item in contents.PICTURED]:
        raise SettingsError(
            f"collect: got {', '.join(pictured)}; allowed: items made of numbers alone: "
            f"{', '.join(item for item in contents.ITEMS if item not in contents.PICTURED)}"
        )
    check_folder(out, KIND, apart={"--results": collected})
    with new_result(out, KIND) as folder:
        shown = [
            render.run(settings, plan, item, folder / f"{item}{render.suffix_of(item)}", collected) for item in items
        ]
        jobs = {(job.chapter, job.name): job for item in items for job in contents.inputs(plan, item, collected)}
        _copy(Results(jobs.values(), collected), folder / "results")
        write_text(folder / "README.md", _readme(settings, shown))


def _copy(results: Results, folder: Path) -> None:
    for job in results.jobs:
        source, target = results.folder(job.chapter, job.name), folder / job.chapter / job.name
        target.mkdir(parents=True)
        for name in KEPT:
            if (source / name).is_file():
                shutil.copyfile(source / name, target / name)


def _readme(settings: Settings, items: Sequence[dict[str, Any]]) -> str:
    environment = Environment(
        loader=PackageLoader("pqgan.report", "."), undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["plain"] = markdown
    environment.filters["cell"] = lambda text: markdown(text).replace("|", "\\|")  # a table breaks at a bar
    environment.filters["alt"] = lambda text: re.sub(r"(?<!\\)[][]", r"\\\g<0>", markdown(text))
    made = {made["path"]: made for item in items for made in item["provenance"]}
    return environment.get_template("collection.md.jinja").render(
        scale=settings.name,
        reading=settings.reading_name,
        images=origins.made_from(settings),
        grey=any(row["grey"] for item in items if item["kind"] == "table" for row in item["rows"]),
        items=[item | {"label": contents.label(item["item"])} for item in items],
        origin=origins.summed_up(made.values()),
        moment=origins.moment,
    )
