"""JSON files and pages that say which command wrote them and what their sha256 is, so that a changed one is known."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pqgan.errors import DataError

from .atomic import write_text
from .json_files import read_bytes, read_object

KEY = "written"
LARGEST_PAGE = 1 << 28
"""Bytes of an HTML page, with all its pictures."""
_PAGE = "<!-- written by {by}; sha256 of the lines above: {digest} -->\n"


def signed(content: Mapping[str, Any], by: str) -> dict[str, Any]:
    """JSON content with one more key: the command that writes it, and the sha256 of the rest.

    Args:
        by: the command, such as `pqgan render`.
    """
    return {**content, KEY: {"by": by, "sha256": _digest(content)}}


def write_signed(path: Path, content: Mapping[str, Any], by: str) -> None:
    """Write JSON content, signed, in place of what is there."""
    write_text(path, text_of(signed(content, by)))


def text_of(content: Mapping[str, Any]) -> str:
    """The file of some JSON content."""
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"


def read_signed(path: Path, by: str) -> dict[str, Any] | None:
    """The content of a JSON file that a command wrote and nobody changed; None for any other file."""
    try:
        content = read_object(path, f"a file of {by}")
    except DataError:
        return None
    mark = content.pop(KEY, None)
    return content if mark == {"by": by, "sha256": _digest(content)} else None


def signed_page(page: str, by: str) -> str:
    """An HTML page with a last line that says the same of it."""
    page = page if page.endswith("\n") else page + "\n"
    return page + _PAGE.format(by=by, digest=_sha256(page))


def is_signed_page(path: Path, by: str) -> bool:
    """Whether an HTML file is a page that a command wrote and nobody changed."""
    try:
        page, _, last = read_bytes(path, f"a page of {by}", LARGEST_PAGE).decode().removesuffix("\n").rpartition("\n")
    except (DataError, ValueError):
        return False
    return last + "\n" == _PAGE.format(by=by, digest=_sha256(page + "\n"))


def _digest(content: Mapping[str, Any]) -> str:
    return _sha256(json.dumps(content, sort_keys=True))


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
