"""params.yaml -> Settings, or one line that says which value cannot be used and what is allowed."""

from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from pqgan.errors import SettingsError

from .readings import Reading
from .scale import Params, Settings

Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def one_line(error: ValidationError, where: str) -> str:
    """The first problem of a validation as `where: key: value; what is allowed`, and how many more there are."""
    first, *more = error.errors()
    # pydantic puts the tag of a union into the path; it is no key of the file
    key = ".".join(str(part) for part in first["loc"] if part not in ("pq", "kl", "vqgan", "wheel_photos", "folder"))
    message = first["msg"].removeprefix("Value error, ")
    got = "" if isinstance(first["input"], dict) else f" got {first['input']!r};"
    others = f" ({len(more)} more)" if more else ""
    return f"{where}: {key or 'the file'}:{got} {message}{others}"


def read_params(path: Path) -> dict[str, Any]:
    """The raw mapping of params.yaml."""
    try:
        raw = yaml.load(path.read_text(), Loader)
    except FileNotFoundError:
        raise SettingsError(f"{path}: no such file; run from the repository's root or name it with --params") from None
    except yaml.YAMLError as error:
        raise SettingsError(f"{path}: not YAML: {' '.join(str(error).split())}") from None
    if not isinstance(raw, dict):
        raise SettingsError(f"{path}: got {type(raw).__name__}; allowed: a mapping with scale, readings and scales")
    return raw


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
    name = scale or params.scale
    if name not in params.scales:
        raise SettingsError(f"{path}: scale: got {name!r}; allowed: {', '.join(params.scales)}")
    chosen = params.scales[name]
    if chosen.reading not in params.readings:
        raise SettingsError(
            f"{path}: scales.{name}.reading: got {chosen.reading!r}; allowed: {', '.join(params.readings)}"
        )
    base = params.readings[chosen.reading].model_dump()
    try:
        reading = Reading.model_validate(_merge(base, chosen.overrides))
    except ValidationError as error:
        raise SettingsError(one_line(error, f"{path}: scales.{name}.overrides")) from None
    try:
        return Settings(name=name, reading_name=chosen.reading, reading=reading, scale=chosen)
    except ValidationError as error:
        raise SettingsError(one_line(error, f"{path}: scales.{name}")) from None
