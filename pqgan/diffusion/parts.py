"""The parts of a pipeline folder, loaded strictly."""

import sys
from pathlib import Path
from typing import Any, TypeVar

import torch
from diffusers import ConfigMixin
from safetensors import SafetensorError
from torch import nn
from transformers.utils import logging

from pqgan.errors import DataError

Part = TypeVar("Part")
Network = TypeVar("Network", bound=nn.Module)

if not sys.stderr.isatty():
    logging.disable_progress_bar()  # transformers draws bars into log files too


def load_part(cls: type[Part], folder: Path, name: str, **options: Any) -> Part:
    """A scheduler, tokenizer or model of diffusers or transformers from `folder/name`.

    Raises:
        DataError: it is missing or damaged.
    """
    path = Path(folder) / name
    if not path.is_dir():
        raise DataError(f"{path}: no such folder; expected a {cls.__name__} there; make {folder} again")
    try:
        return cls.from_pretrained(path, **options)
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        reason = " ".join(str(error).split())
        raise DataError(f"{path}: cannot be loaded as {cls.__name__}: {reason}; make {folder} again") from None


def load_network(cls: type[Network], folder: Path, name: str, surplus: bool = False) -> Network:
    """A model from `folder/name` in fp32 and evaluation mode, from safetensors only.

    Args:
        cls: its class.
        folder: of a pipeline.
        name: sub-folder: unet, vae, text_encoder, ...
        surplus: whether weights that the class does not have are left out; published folders may carry old buffers.

    Raises:
        DataError: no such part, or its weights are not exactly those of the class.
    """
    options = {"use_safetensors": True, "torch_dtype": torch.float32, "output_loading_info": True}
    network, info = load_part(cls, folder, name, **options)
    wrong = [
        f"{kind.replace('_', ' ')} {', '.join(sorted(map(str, keys))[:3])}"
        for kind, keys in info.items()
        if keys and not (surplus and kind == "unexpected_keys")
    ]
    if wrong:
        path = Path(folder) / name
        raise DataError(f"{path}: not the weights of {cls.__name__}: {'; '.join(wrong)}; make {folder} again")
    if isinstance(network, ConfigMixin):
        network.register_to_config(_name_or_path="")  # diffusers would save where this folder lies with the next result
    return network.eval()
