"""params.yaml -> Settings, or one line that says which value cannot be used and what is allowed."""

from itertools import pairwise
from pathlib import Path

from pydantic import ValidationError

from pqgan.errors import SettingsError

from .configurations import BY_KIND
from .names import shown
from .params_file import read_params
from .readings import Reading
from .scale import Params, Settings


def _readable(part: str) -> str:
    return part if part.isprintable() and len(part) <= 100 else shown(part)


def one_line(error: ValidationError, where: str) -> str:
    """The first problem of a validation as `where: key: value; what is allowed`, and how many more there are."""
    first, *more = error.errors()
    # pydantic puts the tag of a union into the path, and a mark behind a key; they are no keys of the file
    tags = ("wheel_photos", "folder", "number", "by chapter", "[key]")
    key = ".".join(
        _readable(str(part))
        for before, part in pairwise(("", *first["loc"]))
        if part not in tags and not (part in BY_KIND and isinstance(before, int))  # linear is a key too
    )
    message = first["msg"].removeprefix("Value error, ")
    got = "" if isinstance(first["input"], dict) else f" got {shown(first['input'])};"
    others = f" ({len(more)} more)" if more else ""
    return f"{where}: {key or 'the file'}:{got} {message}{others}"


def _merge(base: dict, changes: dict) -> dict:
    merged = dict(base)
    for key, value in changes.items():
        nested = isinstance(value, dict) and isinstance(merged.get(key), dict)
        merged[key] = _merge(merged[key], value) if nested else value
    return merged


def load(path: Path | str = "params.yaml", scale: str | None = None) -> Settings:
    """Settings of a scale.

    Args:
        path: params.yaml.
        scale: name of a scale; the file's own `scale` where None.

    Raises:
        SettingsError: a value that cannot be used; the message names key, value and what is allowed.
    """
    path = Path(path)
    try:
        params = Params.model_validate(read_params(path))
    except ValidationError as error:
        raise SettingsError(one_line(error, str(path))) from None
    name = params.scale if scale is None else scale
    if name not in params.scales:
        raise SettingsError(f"{path}: scale: got {shown(name)}; allowed: {', '.join(params.scales)}")
    chosen = params.scales[name]
    if chosen.reading not in params.readings:
        raise SettingsError(
            f"{path}: scales.{name}.reading: got {shown(chosen.reading)}; allowed: {', '.join(params.readings)}"
        )
    base = params.readings[chosen.reading].model_dump()
    try:
        reading = Reading.model_validate(_merge(base, chosen.overrides))
    except ValidationError as error:
        raise SettingsError(one_line(error, f"{path}: scales.{name}.overrides")) from None
    second, named = chosen.evaluation.second, params.readings
    if second and (second.reading not in named or second.reading == chosen.reading):
        where = f"{path}: scales.{name}.evaluation.second.reading"
        others = ", ".join(other for other in named if other != chosen.reading)
        raise SettingsError(f"{where}: got {shown(second.reading)}; allowed: {others}")
    try:
        return Settings(
            name=name,
            reading_name=chosen.reading,
            reading=reading,
            versions=params.versions,
            scale=chosen,
            second_reading=named[second.reading] if second else None,
        )
    except ValidationError as error:
        raise SettingsError(one_line(error, f"{path}: scales.{name}")) from None
