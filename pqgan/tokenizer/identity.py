"""Which network a model is, however its files were written: what its codes are decoded by."""

import hashlib
import json

import torch
from torch import nn

from pqgan.errors import NumericalError

SILENT = frozenset({"beta", "beta_on", "codebook_init", "force_upcast", "geometry", "sample_size", "scaling_factor"})
"""Of a model's config, what neither codes nor decoded images depend on, besides the library's own keys, `_...`."""

ADDED = {"patch": 0, "refine_channels": 0, "refine_blocks": 4, "quantiser_config": None}
"""Options that models saved before them do not have, and the value that says the same."""

REPEATED = {"latent_channels": "d"}
"""Options that say once more what another of the same config says, and that one."""


def identity(model: nn.Module) -> str:
    """sha256 over a diffusers model's class, the part of its config that computes, and every tensor's name, type, shape
    and numbers, as they are once loaded.

    The same network has it again wherever it is saved anew: in several files, in another order, with other metadata.
    """
    config = {
        key: value
        for key, value in model.config.items()
        if key not in SILENT
        and not key.startswith("_")
        and (key, value) not in ADDED.items()
        and REPEATED.get(key) not in model.config
    }
    digest = hashlib.sha256(json.dumps([type(model).__name__, config], sort_keys=True, default=str).encode())
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(json.dumps([name, str(tensor.dtype), list(tensor.shape)]).encode())
        digest.update(tensor.cpu().contiguous().reshape(-1).view(torch.uint8).numpy())
    return digest.hexdigest()


def check_finite(model: nn.Module, where: str) -> None:
    """Refuse a model that has diverged before it makes codes that nothing can be decoded from.

    Raises:
        NumericalError: names the first tensor with a number that is not finite, and how many have one.
    """
    wrong = [name for name, tensor in model.state_dict().items() if not tensor.isfinite().all()]
    if wrong:
        raise NumericalError(
            f"{where}: {wrong[0]}, the first of {len(wrong)} tensors, is not finite; "
            "the tokenizer diverged: train it again, or get its files again"
        )
