"""Is a configuration that of the weights beside it: told from the header of their file, before anything is allocated.

A config.json may say anything, and the libraries build what it says: a million layers take hours, a million channels
all of the memory, and what does not fit together ends somewhere inside of them.
"""

import inspect
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

import torch
from torch import Tensor

from pqgan.errors import DataError
from pqgan.quantise.packing import LARGEST_K, SMALLEST_K
from pqgan.storage.json_files import in_line
from pqgan.storage.tensor_headers import Stored, read_headers

EXAMPLES = {"latent_channels": 1, "vq_embed_dim": 1, "shift_factor": 0.5, "latents_mean": (0.5,), "latents_std": (0.5,)}
"""Options without a default that would tell of what kind they are."""
LARGEST = (1 << 31) - 1
"""Of a whole number: larger ones overflow in the libraries."""
WORDS = ("K", "num_vq_embeddings")
"""Options that say how many codewords a codebook has."""
RENAMED = {"query": "to_q", "key": "to_k", "value": "to_v", "proj_attn": "to_out.0"}
"""What layers of attention are called in files of 2022, and now; the library renames them when it loads them."""


def check_weights(cls: type, config: Mapping[str, Any], folder: Path, surplus: bool = False) -> None:
    """Whether a configuration makes exactly the tensors that the files of weights beside it hold.

    Args:
        cls: diffusers class of the network.
        config: of config.json.
        folder: with both.
        surplus: whether the files may hold more.

    Raises:
        DataError: a value that the class cannot have, or weights of another network.
    """
    file = folder / "config.json"
    options = _options(cls, config, file)
    stored = read_headers(folder)
    check_depth(config, len(stored), file)
    try:
        # shapes alone: nothing is allocated
        with torch.device("meta"):
            network = cls(**options)
    except Exception as error:  # whatever the library trips over in these values
        reason = in_line(error) or type(error).__name__
        raise DataError(f"{file}: describes no {cls.__name__} ({reason}); put back the model's own") from None
    wanted = network.state_dict()
    if wrong := list(_differences(wanted, stored, surplus)):
        raise DataError(f"{folder}: not the weights of this {cls.__name__}: {'; '.join(wrong)}")


def check_depth(config: Mapping[str, Any], tensors: int, file: Path) -> None:
    """Whether a network may have as many layers as its configuration says.

    Args:
        config: of any network of diffusers or transformers.
        tensors: that its files of weights hold; each layer has one or more.
        file: that holds the configuration, for the message.

    Raises:
        DataError: more layers than tensors.
    """
    lists = [value for key, value in config.items() if "block" in key and isinstance(value, list)]
    levels = max((len(value) for value in lists if any(value)), default=1)  # a level of 0 channels has no layer
    layers = math.prod(max(1, *_numbers(value), 1) for key, value in config.items() if "layers" in key)
    blocks = max((sum(_numbers(value)) for key, value in config.items() if key.endswith("_blocks")), default=0)
    if (most := max(levels * layers, blocks)) > tensors:
        raise DataError(f"{file}: asks for {most:,} layers or more; its weights hold {tensors:,} tensors")


def _numbers(value: Any) -> Iterator[int]:
    if isinstance(value, list):
        for item in value:
            yield from _numbers(item)
    elif isinstance(value, int):
        yield value


def _options(cls: type, config: Mapping[str, Any], file: Path) -> dict[str, Any]:
    """What a class is made with, of what its configuration says; the rest of it is about files and versions."""
    hints, found = get_type_hints(cls.__init__), {}
    parameters = inspect.signature(cls.__init__).parameters
    # of its own classes the library leaves out what it does not know, such as what earlier versions wrote
    strange = [key for key in config if not key.startswith("_") and key not in (*parameters, "auto_map")]
    if strange and cls.__module__.startswith("pqgan."):
        raise DataError(f"{file}: {in_line(strange[0])}: no option of a {cls.__name__}; put back the model's own")
    for name, parameter in parameters.items():
        if name in config:
            default = EXAMPLES.get(name) if parameter.default is None else parameter.default
            if flaw := _flaw(config[name], default, hints.get(name), name):
                raise DataError(f"{file}: {name}: got {in_line(repr(config[name]))[:60]}; expected {flaw}")
            found[name] = config[name]
    return found


def _flaw(value: Any, default: Any, hint: Any, name: str) -> str | None:
    """What is expected instead of the value of an option, or None.

    The kind follows from the default, because the libraries' annotations are not all true.
    """
    if get_origin(hint) is Literal:
        return None if value in get_args(hint) else f"one of {', '.join(map(str, get_args(hint)))}"
    if value is None:
        return None if type(None) in get_args(hint) else "a value"
    if isinstance(default, tuple):
        listed = isinstance(value, list) and value
        if listed and type(None) in get_args(hint) and all(type(item) is int and not item for item in value):
            return None  # zeros stand for none: a model without a trunk
        of = _flaw_of_all(value, default[0], name) if listed else "it"
        return of and f"a list of {'texts' if isinstance(default[0], str) else 'numbers'}, not empty"
    if isinstance(value, list) and "tuple" in str(hint):
        return _flaw_of_all(value, default, name)
    if name in WORDS:
        return None if _is_whole(value, SMALLEST_K, LARGEST_K) else f"a whole number from {SMALLEST_K} to {LARGEST_K}"
    if isinstance(default, bool):
        return None if isinstance(value, bool) else "true or false"
    if isinstance(default, int) or default is inspect.Parameter.empty:
        least = min(1, default) if isinstance(default, int) else 1
        return None if _is_whole(value, least, LARGEST) else f"a whole number from {least}"
    if isinstance(default, float):
        finite = isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
        positive = not name.endswith("scaling_factor") or (finite and value > 0)
        return None if finite and positive else "a number" + " above 0" * name.endswith("scaling_factor")
    if isinstance(default, str):
        return None if isinstance(value, str) else "a text"
    return None


def _flaw_of_all(values: list, default: Any, name: str) -> str | None:
    flaws = (
        _flaw_of_all(value, default, name) if isinstance(value, list) else _flaw(value, default, None, name)
        for value in values
    )
    return next(filter(None, flaws), None)


def _is_whole(value: Any, least: int, most: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= most


def _differences(wanted: Mapping[str, Tensor], stored: Mapping[str, Stored], surplus: bool) -> Iterator[str]:
    found = {_renamed(name, wanted): tensor for name, tensor in stored.items()}
    shared = [name for name in wanted if name in found]
    for kind, names in {
        "missing keys": [name for name in wanted if name not in found],
        "unexpected keys": [] if surplus else [name for name in found if name not in wanted],
        "no weights in": [
            f"{name} ({found[name].dtype})"
            for name in shared
            if wanted[name].is_floating_point() and not found[name].is_floating
        ],
        "another shape of": [
            f"{name} ({_shape(found[name].shape)}; expected {_shape(tensor.shape)})"
            for name in shared
            if found[name].shape != tuple((tensor := wanted[name]).shape)
        ],
    }.items():
        if names:
            more = f" and {len(names) - 3} more" if len(names) > 3 else ""
            yield f"{kind} {in_line(', '.join(names[:3]))}{more}"


def _renamed(name: str, wanted: Mapping[str, Any]) -> str:
    head, _, tail = name.rpartition(".")
    path, _, layer = head.rpartition(".")
    new = f"{path}.{RENAMED.get(layer, layer)}.{tail}"
    return new if name not in wanted and new in wanted else name


def _shape(shape: Sequence[int]) -> str:
    return "x".join(map(str, shape)) or "a number"
