"""The networks of a pipeline folder: seeded when new, loaded strictly when not."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import torch
from safetensors import SafetensorError
from torch import nn

from pqgan.errors import DataError
from pqgan.randomness import seed_at

Part = TypeVar("Part", bound=nn.Module)


@contextmanager
def seeded(seed: int, stream: str) -> Iterator[None]:
    """Weights initialised inside depend on (seed, stream) alone; the global generator is left as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed_at(seed, 0, stream))
        yield


def load_part(cls: type[Part], folder: Path, name: str, surplus: bool = False) -> Part:
    """A diffusers or transformers model from `folder/name`, in fp32, from safetensors only.

    Args:
        cls: its class.
        folder: of a pipeline.
        name: sub-folder: unet, vae, text_encoder, ...
        surplus: whether weights that the class does not have are left out; published folders may carry old buffers.

    Raises:
        DataError: no such part, or its weights are not exactly those of the class.
    """
    path = Path(folder) / name
    try:
        part, info = cls.from_pretrained(path, use_safetensors=True, torch_dtype=torch.float32, output_loading_info=True)
    except (OSError, SafetensorError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise DataError(f"{path}: cannot be loaded as {cls.__name__}: {reason}; make the folder again") from None
    wrong = [
        f"{kind.replace('_', ' ')}: {', '.join(sorted(map(str, keys))[:3])}"
        for kind, keys in info.items()
        if keys and not (surplus and kind == "unexpected_keys")
    ]
    if wrong:
        raise DataError(f"{path}: not the weights of {cls.__name__}: {'; '.join(wrong)}; make the folder again")
    return part
