"""One table or figure from its results: `pqgan render`."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from pqgan.errors import SettingsError
from pqgan.plan import Plan
from pqgan.settings import Settings
from pqgan.storage.atomic import write_bytes, write_text
from pqgan.storage.manifest import sha256
from pqgan.storage.outputs import check_file
from pqgan.storage.signed import read_signed, signed, text_of

from . import contents, wording
from .results import Results
from .text import cleaned

COMMAND = "pqgan render"
SUFFIXES = {".tex": (".tex",), ".pdf": (".pdf", ".png")}
"""Of --out: those of the files that hold the item; a .json file beside them says what the page shows of it."""


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
    jobs = contents.inputs(plan, item, collected)
    suffix = suffix_of(item)
    if out.suffix != suffix:
        raise SettingsError(f"--out: got {out}; allowed: a file that ends in {suffix}")
    check(item, out, collected)
    results = Results(jobs, collected)
    shortcut = wording.shortcut(contents.shortcuts(jobs))
    about = {"item": item, "scale": settings.name, "reading": settings.reading_name}
    if suffix == ".tex":
        content = _table(settings, plan, item, results, out, shortcut)
    else:
        content = _figure(settings, plan, item, results, out, shortcut)
    files = {suffix: sha256(out.with_suffix(suffix)) for suffix in SUFFIXES[suffix]}
    content = signed(about | cleaned(content) | {"provenance": results.provenance(), "files": files}, COMMAND)
    # last, because the page takes it for the sign that the item is complete
    write_text(out.with_suffix(".json"), text_of(content))
    return content


def check(item: str, out: Path, collected: Path | None = None) -> None:
    """See whether an item's files can be written: all are absent, or as an earlier rendering of the item left them.

    Raises:
        SettingsError: one is there that this command did not write, or that was changed since.
        ResourceError: nothing can be written there.
    """
    told = out.with_suffix(".json")
    before = read_signed(told, COMMAND)
    files = before.get("files") if before and before.get("item") == item else None
    known = files if isinstance(files, dict) else {}

    def own(path: Path) -> bool:
        return known.get(path.suffix) == sha256(path)

    expected = f"as an earlier rendering of {item} left it"
    for suffix in SUFFIXES[out.suffix]:
        check_file(out.with_suffix(suffix), own, expected, apart={"--results": collected})
    check_file(told, lambda _: bool(known), expected, apart={"--results": collected})


def suffix_of(item: str) -> str:
    """Of the file that is written first."""
    return ".tex" if item.startswith("table") else ".pdf"


def _table(settings: Settings, plan: Plan, item: str, results: Results, out: Path, shortcut: str) -> dict:
    from .latex import latex
    from .tables import make

    table = make(settings, plan, item, results)
    table = replace(table, caption=wording.caption(table.caption, shortcut))
    write_text(out, latex(table))
    return table.content()


def _figure(settings: Settings, plan: Plan, item: str, results: Results, out: Path, shortcut: str) -> dict:
    from .figures import make  # a table must not wait for matplotlib
    from .figures.style import files

    figure = make(settings, plan, item, results)
    figure.caption = wording.caption(figure.caption, shortcut)
    for kind, content in files(figure).items():
        write_bytes(out.with_suffix(f".{kind}"), content)
    return figure.content()
