"""Text and JSON files of ours, read so that whatever lies in their place ends in one line.

A pipe, a folder, an endless or a huge file, other bytes than UTF-8, other JSON than is expected: each is a DataError
that names the file and what was expected there.
"""

import json
import os
import re
import stat
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from pqgan.errors import DataError

LARGEST = 32 << 20
"""Bytes of a file that is read at once: many times the largest that is written here."""
DEEPEST = 64
"""Lists and objects inside one another."""
LONGEST = 200
"""Characters of a reason: what a file holds may be of any length."""

Model = TypeVar("Model", bound=BaseModel)


def regular(path: Path | str, expected: str) -> os.stat_result:
    """The status of a file that can be read to its end.

    Args:
        expected: what should be there and what to do, for the error.

    Raises:
        DataError: nothing is there, or no regular file.
    """
    try:
        status = os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        raise DataError(f"{path}: no such file; expected {expected}") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}; expected {expected}") from None
    if not stat.S_ISREG(status.st_mode):
        # opening a pipe would wait for ever
        got = "a folder" if stat.S_ISDIR(status.st_mode) else "no regular file"
        raise DataError(f"{path}: {got}; expected {expected}")
    return status


def read_bytes(path: Path | str, expected: str, largest: int = LARGEST) -> bytes:
    """A file as it is.

    Args:
        expected: what should be there and what to do, for the error.
        largest: bytes.

    Raises:
        DataError: missing, no regular file, larger than that, or not readable.
    """
    regular(path, expected)
    try:
        with open(path, "rb") as file:
            content = file.read(largest + 1)
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}; expected {expected}") from None
    if len(content) > largest:
        raise DataError(f"{path}: larger than {largest:,} bytes; expected {expected}")
    return content


def read_text(path: Path | str, expected: str) -> str:
    """A file as UTF-8 text, line ends as they are.

    Raises:
        DataError: as `read_bytes`; or it is not UTF-8.
    """
    try:
        return read_bytes(path, expected).decode()
    except UnicodeDecodeError:
        raise DataError(f"{path}: not UTF-8 text; expected {expected}") from None


def read_json(path: Path | str, expected: str) -> Any:
    """What a JSON file holds.

    Raises:
        DataError: as `read_text`; or not JSON, nested too deeply, or with text that is not Unicode.
    """
    text = read_text(path, expected)
    try:
        content = json.loads(text)
        if text.count("[") + text.count("{") > DEEPEST:
            _check_depth(content)
        if re.search(r"\\u[dD][89a-fA-F]", text):
            json.dumps(content, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise DataError(f"{path}: holds text that is not Unicode; expected {expected}") from None
    except (RecursionError, _TooDeepError):
        raise DataError(f"{path}: nested more than {DEEPEST} deep; expected {expected}") from None
    except ValueError as error:
        raise DataError(f"{path}: not JSON ({in_line(error)}); expected {expected}") from None
    return content


class _TooDeepError(Exception):
    pass


def _check_depth(content: Any) -> None:
    level = [content]
    for _ in range(DEEPEST + 1):
        holders = [item for item in level if isinstance(item, (dict, list))]
        level = [inner for item in holders for inner in (item.values() if isinstance(item, dict) else item)]
        if not holders:
            return
    raise _TooDeepError


def read_object(path: Path | str, expected: str) -> dict[str, Any]:
    """The object that a JSON file holds.

    Raises:
        DataError: as `read_json`; or it holds something else.
    """
    content = read_json(path, expected)
    if not isinstance(content, dict):
        raise DataError(f"{path}: holds a {type(content).__name__}, no JSON object; expected {expected}")
    return content


def read_model(path: Path | str, model: type[Model], expected: str) -> Model:
    """A JSON file as a pydantic model.

    Raises:
        DataError: as `read_object`; or its first value that the model does not allow.
    """
    text = read_text(path, expected)
    try:
        return model.model_validate_json(text)
    except ValidationError as error:
        raise DataError(f"{path}: {first_flaw(error)}; expected {expected}") from None


def first_flaw(error: ValidationError) -> str:
    """The first value that a pydantic model does not allow, for one line."""
    first = error.errors(include_input=False, include_url=False)[0]
    where = ".".join(map(str, first["loc"]))
    return in_line(": ".join(filter(None, [where, first["msg"].removeprefix("Value error, ")])))


def in_line(what: object) -> str:
    """A reason that may hold anything, as part of one line."""
    text = str(what)
    text = text if text.isprintable() else " ".join(text.split())
    text = text if len(text) <= LONGEST else f"{text[:LONGEST]}..."
    return text if text.isprintable() else ascii(text)
