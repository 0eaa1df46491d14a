"""One table or figure from its results: `pqgan render`."""

import json
from pathlib import Path
from typing import Any

from pqgan.errors import SettingsError
from pqgan.plan import Plan
from pqgan.settings import Settings
from pqgan.storage.atomic import write_bytes, write_text

from . import contents
from .results import Results


def run(settings: Settings, plan: Plan, item: str, out: Path, collected: Path | None = None) -> dict[str, Any]:
    """Write a table as .tex, or a figure as .pdf and .png, and what the page shows of it as .json.

    Args:
        item: table1, ..., figure10.
        out: `<item>.tex` or `<item>.pdf`; the other files are written beside it.
        collected: folder of collected results, instead of those at the plan's addresses.

    Returns:
        What the .json file holds.

    Raises:
        SettingsError: no such item, or out has another suffix.
        DataError: a result that `contents.inputs` names is missing or damaged.
    """
    jobs = contents.inputs(plan, item)
    suffix = suffix_of(item)
    if out.suffix != suffix:
        raise SettingsError(f"--out: got {out}; allowed: a file that ends in {suffix}")
    results = Results(jobs, collected)
    about = {"item": item, "scale": settings.name, "reading": settings.reading_name}
    if suffix == ".tex":
        content = _table(settings, plan, item, results, out)
    else:
        content = _figure(settings, plan, item, results, out)
    content = about | content | {"provenance": results.provenance()}
    # last, because the page takes it for the sign that the item is complete
    write_text(out.with_suffix(".json"), json.dumps(content, indent=1, ensure_ascii=False) + "\n")
    return content


def suffix_of(item: str) -> str:
    """Of the file that is written first."""
    return ".tex" if item.startswith("table") else ".pdf"


def _table(settings: Settings, plan: Plan, item: str, results: Results, out: Path) -> dict:
    from .latex import latex
    from .tables import make

    table = make(settings, plan, item, results)
    write_text(out, latex(table))
    return table.content()


def _figure(settings: Settings, plan: Plan, item: str, results: Results, out: Path) -> dict:
    from .figures import make  # a table must not wait for matplotlib
    from .figures.style import files

    figure = make(settings, plan, item, results)
    for kind, content in files(figure).items():
        write_bytes(out.with_suffix(f".{kind}"), content)
    return figure.content()
