"""Which tokenizer a U-Net was trained with: kept in the provenance of its result, and looked at before it is used.

Two tokenizers of equal latent channels have nothing to do with each other: a U-Net that samples latents of one makes
noise with the other.
"""

from pathlib import Path
from typing import Any

from pydantic import BaseModel

from pqgan.errors import DataError
from pqgan.origin import FILE
from pqgan.storage.json_files import read_model
from pqgan.tokenizer.identity import identity
from pqgan.tokenizer.kinds import Tokenizer


class Latents(BaseModel):
    """The latents that a U-Net was trained on."""

    network: str
    """sha256 of the tokenizer, as pqgan.tokenizer.identity says."""
    scaling_factor: float
    """What its latents were multiplied by."""


class _Said(BaseModel):
    tokenizer: Latents | None = None


def latents_of(tokenizer: Tokenizer) -> Latents:
    """Those of a tokenizer, for the provenance of what is trained on them."""
    return Latents(network=identity(tokenizer.model), scaling_factor=tokenizer.scaling_factor)


def provenance_of(tokenizer: Tokenizer) -> dict[str, Any]:
    """What the provenance of a trained U-Net has besides."""
    return {"tokenizer": latents_of(tokenizer).model_dump()}


def check_tokenizer(folder: Path, tokenizer: Tokenizer) -> None:
    """Refuse another tokenizer than the one that a U-Net was trained with.

    A folder that does not say which one that was, as that of a published U-Net, is known by its latent channels alone.

    Args:
        folder: result of an adaptation or of a model from scratch.
        tokenizer: that is to encode or decode for it.

    Raises:
        DataError: it is another one, or its latents are scaled otherwise.
    """
    file = folder / FILE
    if not file.exists():
        return
    trained = read_model(file, _Said, "the provenance of a trained U-Net; make the folder again").tokenizer
    given = latents_of(tokenizer)
    if trained is None or trained == given:
        return
    if trained.network != given.network:
        what = f"the tokenizer {trained.network[:12]}, but the one that was given is {given.network[:12]}"
    else:
        what = f"latents scaled by {trained.scaling_factor:g}, not by {given.scaling_factor:g} as this tokenizer's are"
    raise DataError(f"{folder}: was trained with {what}; give the tokenizer that its {FILE} names under inputs")
