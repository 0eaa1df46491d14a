"""The parts of a pipeline folder, loaded strictly."""

import sys
from math import prod
from pathlib import Path
from typing import Any, TypeVar

import torch
from diffusers import ConfigMixin
from torch import nn
from transformers.utils import logging

from pqgan.errors import DataError
from pqgan.storage.json_files import in_line, read_json, read_object, regular
from pqgan.storage.tensor_headers import read_header
from pqgan.tokenizer.config_check import check_depth, check_weights

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
    for file in sorted(path.iterdir()):
        expected = f"a file of a {cls.__name__}; make {folder} again"
        regular(file, expected)
        if file.suffix == ".json":
            read_json(file, expected)
    try:
        return cls.from_pretrained(path, **options)
    except Exception as error:  # whatever the libraries trip over in what these files say
        reason = in_line(error) or type(error).__name__
        raise DataError(f"{path}: cannot be loaded as {cls.__name__}: {reason}; make {folder} again") from None


def _check(cls: type[nn.Module], path: Path, surplus: bool) -> None:
    """Compare configuration and weights before anything is allocated."""
    config = read_object(path / "config.json", f"the configuration of a {cls.__name__}")
    if issubclass(cls, ConfigMixin):
        check_weights(cls, config, path, surplus)
        return
    stored = read_header(path / "model.safetensors")
    check_depth(config, len(stored), path / "config.json")
    try:
        with torch.device("meta"):
            network = cls(cls.config_class.from_dict(config))
    except Exception as error:  # as in load_part
        raise DataError(f"{path}: describes no {cls.__name__}: {in_line(error)}; make it again") from None
    # names are left to the library, which knows earlier ones too
    wanted = sum(weights.numel() for weights in network.parameters())
    if wanted > (held := sum(prod(tensor.shape) for tensor in stored.values())):
        raise DataError(f"{path}: config.json asks for {wanted:,} weights; the files hold {held:,}; make it again")


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
    _check(cls, Path(folder) / name, surplus)
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
