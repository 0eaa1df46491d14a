"""The tokenizers that the page offers: folders below one folder, and those that are named."""

from collections.abc import Iterable
from math import lcm
from pathlib import Path
from typing import NamedTuple

import torch

from pqgan.data.names import shown
from pqgan.errors import DataError, PqganError, ResourceError, SettingsError
from pqgan.evaluate.baselines.open import open_model
from pqgan.tokenizer.kinds import Tokenizer


class Model(NamedTuple):
    """A tokenizer, or a codec, by the name that the page gives it."""

    name: str
    tokenizer: Tokenizer


class Models(NamedTuple):
    """What `at_hand` finds."""

    models: list[Model]
    left_out: list[str]
    """A line for each folder that holds no model that can be used: its name, and why."""

    @property
    def factor(self) -> int:
        """Sides of pictures are multiples of it, so that all models see the same pixels."""
        return lcm(*(model.tokenizer.factor for model in self.models))


def at_hand(folder: Path, named: Iterable[str], device: torch.device) -> Models:
    """Open every model below a folder that has a config.json, and every one that is named.

    Args:
        folder: of folders; it need not be there.
        named: as `pqgan evaluate --model` takes them.
        device: where they are to compute.

    Raises:
        SettingsError, DataError, ResourceError: one that is named cannot be used; or there is none at all.
    """
    models, left_out = [], []
    for path in sorted(config.parent for config in folder.glob("*/config.json")):
        try:
            models.append(Model(path.name, open_model(path).to(device)))
        except PqganError as error:
            left_out.append(f"{shown(path.name)}: {error}")
    models.sort(key=lambda model: (model.tokenizer.factor, model.name))
    taken = {model.name for model in models}
    for spec in dict.fromkeys(named):
        tokenizer = open_model(spec).to(device)
        name = Path(spec).resolve().name if Path(spec).exists() else spec
        models.append(Model(name if name not in taken else spec, tokenizer))
        taken.add(models[-1].name)
    if not models:
        why = f"; left out: {'; '.join(left_out)}" if left_out else ""
        raise DataError(
            f"--models: {folder}: no trained tokenizer below it{why}; name a folder that has some, or --model"
        )
    return Models(models, left_out)


def target(device: str) -> torch.device:
    """A device by name.

    Raises:
        ResourceError: cuda, and there is none.
        SettingsError: no such name.
    """
    cuda = torch.cuda.is_available()
    if device == "cuda" and not cuda:
        raise ResourceError("--device: got 'cuda', but torch sees no CUDA device; run where there is one, or give cpu")
    if device not in ("auto", "cpu", "cuda"):
        raise SettingsError(f"--device: got {device!r}; allowed: auto, cpu, cuda")
    return torch.device("cuda" if cuda and device != "cpu" else "cpu")
