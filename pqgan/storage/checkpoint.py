"""Checkpoints on disk: whole or not there, verified before use, tensors only.

checkpoints/step-00001200/state.safetensors   named tensors; step and identity in the header
                          train.jsonl         the log up to this step
                          SHA256SUMS          of both, as sha256sum -c reads it
"""

import os
import shutil
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain, count
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from pqgan.errors import DataError, ResourceError

from .leftovers import sweep
from .manifest import SUMS, read_sums, sha256
from .outputs import new_result

STATE, LOG = "state.safetensors", "train.jsonl"
KIND = "checkpoint"
PREFIX = "step-"
BAD = "bad-"


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint whose every byte is what was written."""

    folder: Path
    step: int
    identity: Mapping[str, str]
    """What was trained on what: digests that a resumed run must share."""

    def tensors(self) -> dict[str, Tensor]:
        return load_file(self.folder / STATE)

    def log(self) -> bytes:
        return (self.folder / LOG).read_bytes()


def write(root: Path, step: int, tensors: Mapping[str, Tensor], identity: Mapping[str, str], log: bytes) -> Path:
    """Write the checkpoint of a step.

    It is filled beside its place, on the same file system, and renamed: a kill leaves the older ones as they were.

    Args:
        root: folder of a run's checkpoints.
        step: updates done.
        tensors: by name, on any device.
        identity: see Checkpoint.
        log: train.jsonl so far.

    Raises:
        ResourceError: disk full, file too large, folder not writable; nothing is left behind.
    """
    path = root / f"{PREFIX}{step:08d}"
    try:
        with new_result(path, KIND) as folder:
            save_file(
                {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()},
                folder / STATE,
                metadata={**identity, "step": str(step)},
            )
            (folder / LOG).write_bytes(log)
    except (OSError, SafetensorError) as error:
        raise ResourceError(
            f"{path}: cannot be written: {error}; free space or raise the limit, then run the same command again"
        ) from None
    return path


def verify(folder: Path) -> Checkpoint:
    """A checkpoint after hashing every file of it.

    Raises:
        DataError: what is wrong with it.
    """
    try:
        listed = read_sums(folder).files
    except DataError:
        raise DataError(f"{folder.name}: has no readable {SUMS}") from None
    for name in (STATE, LOG):
        if not (folder / name).is_file():
            raise DataError(f"{folder.name}: has no {name}")
        if listed.get(name) != (found := sha256(folder / name)):
            raise DataError(f"{folder.name}: sha256 of {name} is {found}, {SUMS} lists {listed.get(name)}")
    try:
        with safe_open(folder / STATE, "pt") as file:
            identity = dict(file.metadata() or {})
        step = int(identity.pop("step"))
    except (SafetensorError, KeyError, ValueError) as error:
        raise DataError(f"{folder.name}: {STATE} is no checkpoint ({error})") from None
    if folder.name != f"{PREFIX}{step:08d}":
        raise DataError(f"{folder.name}: holds step {step}")
    return Checkpoint(folder, step, identity)


def newest(root: Path) -> tuple[Checkpoint | None, list[str]]:
    """The newest checkpoint that verifies, and what is wrong with the newer ones, which are set aside as bad-*.

    Returns:
        None as the first where no checkpoint was ever finished.

    Raises:
        DataError: there are checkpoints and none verifies.
    """
    wrong: list[str] = []
    folders = _finished(root)
    for folder in reversed(folders):
        try:
            checkpoint = verify(folder)
        except DataError as error:
            wrong.append(str(error))
            continue
        for bad in folders[len(folders) - len(wrong) :]:
            # out of the way of the checkpoint that this step will be given again
            os.rename(bad, _unused(root / f"{BAD}{bad.name}"))
        return checkpoint, wrong
    if wrong:
        raise DataError(
            f"{root}: none of {len(wrong)} checkpoints is whole: {'; '.join(wrong)}; "
            "put a good copy of one there, or delete the folder to train from the start"
        )
    return None, []


def _unused(path: Path) -> Path:
    """The path, or with the first number behind it that nothing has."""
    numbered = (path.with_name(f"{path.name}-{number}") for number in count(2))
    return next(each for each in chain([path], numbered) if not os.path.lexists(each))


def _finished(root: Path, pattern: str = f"{PREFIX}{'[0-9]' * 8}") -> list[Path]:
    """Folders of checkpoints, oldest first; what else a person has put there is left alone."""
    return sorted(folder for folder in root.glob(pattern) if folder.is_dir() and not folder.is_symlink())


def _delete(folder: Path) -> None:
    """Delete a checkpoint, unless a person has put something into it."""
    if set(os.listdir(folder)) <= {STATE, LOG, SUMS}:
        shutil.rmtree(folder)


def prune(root: Path, keep: int) -> None:
    """Delete all but the newest checkpoints, and what interrupted writes and deletions left."""
    for folder in (*_finished(root)[:-keep], *_finished(root, f".{PREFIX}{'[0-9]' * 8}")):
        _delete(folder)
    sweep(root)


def clear(root: Path) -> None:
    """Delete all checkpoints, the newest last; a kill on the way leaves the newest whole, or none.

    Their folder goes too, unless a person has put something there or into one of them.
    """
    prune(root, 1)
    for folder in (*_finished(root, f"{BAD}{PREFIX}*"), *_finished(root)):
        hidden = folder.with_name(f".{PREFIX}{folder.name.removeprefix(BAD).removeprefix(PREFIX)[:8]}")
        if set(os.listdir(folder)) <= {STATE, LOG, SUMS} and not os.path.lexists(hidden):
            os.rename(folder, hidden)
            shutil.rmtree(hidden)
    with suppress(OSError):  # something else is there
        root.rmdir()
