"""A trained tokenizer of any kind from its folder, frozen, behind one small interface."""

from pathlib import Path

import torch

from pqgan.errors import DataError
from pqgan.storage.json_files import in_line, read_object

from .config_check import check_weights
from .kinds import BY_CLASS, Tokenizer


def wrap(model) -> Tokenizer:
    """The interface around a model of one of the kinds."""
    return BY_CLASS[type(model).__name__](model)


def load_model(folder: Path | str):
    """The diffusers model of a folder, ours or published, by the class its config.json names; in float32.

    Raises:
        DataError: no config.json there, a class that is no tokenizer, or not exactly its weights.
    """
    folder = Path(folder)
    path = folder / "config.json"
    config = read_object(path, "the folder of a trained tokenizer")
    name = config.get("_class_name")
    if not isinstance(name, str) or name not in BY_CLASS:
        raise DataError(f"{path}: _class_name is {in_line(repr(name))}; expected {', '.join(BY_CLASS)}")
    if name == "PQModel":
        from .model import PQModel as cls
    else:
        import diffusers

        cls = getattr(diffusers, name)
    # what is missing the library fills with random numbers, and it allocates before it compares
    check_weights(cls, config, folder)
    try:
        # half precision and fp8 are how weights are stored, not how they compute
        return cls.from_pretrained(folder, torch_dtype=torch.float32, use_safetensors=True, low_cpu_mem_usage=False)
    except (OSError, ValueError, TypeError, RuntimeError) as error:
        raise DataError(f"{folder}: cannot be loaded as {name}: {in_line(error)}") from None


def load_tokenizer(folder: Path | str) -> Tokenizer:
    """A trained tokenizer, frozen and in evaluation mode."""
    return wrap(load_model(folder))
