"""Files of tensors that others published, read without running anything that they hold."""

import codecs
import re
import shutil
import tempfile
import warnings
import zipfile
from pathlib import Path
from typing import IO, Any

import torch
from safetensors.torch import load_file
from torch import Tensor

from pqgan.errors import NO_ROOM, DataError, ResourceError

NESTED = ("state_dict", "model")
"""Where a training's checkpoint keeps its tensors: PyTorch Lightning's, and that of the MAE family of trainers."""


class _Discarded:
    """Stands in for whatever else a checkpoint holds: takes any arguments, does nothing."""

    def __init__(self, *arguments: Any, **keywords: Any):
        pass

    def __setstate__(self, state: Any) -> None:
        pass


STAND_INS = (
    # taming-transformers' and latent-diffusion's checkpoints, written by PyTorch Lightning 1.x
    "pytorch_lightning.callbacks.model_checkpoint.ModelCheckpoint",
    "numpy.core.multiarray.scalar",
    "numpy.dtype",
    "_codecs.encode",
    # VQGAN-LC's: the options that it was trained with
    "argparse.Namespace",
)
"""Names in published checkpoints that PyTorch's restricted reader does not know; the real ones are never called."""


def read_tensors(path: Path, member: str | None = None) -> dict[str, Tensor]:
    """Tensors by name, on the CPU, as they are stored.

    Args:
        path: safetensors by its suffix, else what torch.save wrote: a state dict, or a checkpoint that holds one.
        member: of the zip archive that the path then is.

    Raises:
        DataError: damaged, of another kind, or it asks for code to be run.
        ResourceError: no room to unpack it.
    """
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        if member is None:
            return _named(_unpickled(path), path)
        with tempfile.TemporaryFile() as unpacked:
            with zipfile.ZipFile(path) as archive, archive.open(member) as packed:
                shutil.copyfileobj(packed, unpacked, 1 << 20)
            unpacked.seek(0)
            return _named(_unpickled(unpacked), path)
    except DataError:
        raise
    except KeyError:
        raise DataError(f"{path}: has no {member} in it; replace it") from None
    except Exception as error:
        if isinstance(error, OSError) and error.errno in NO_ROOM:
            raise ResourceError(f"{path}: no room to unpack it in {tempfile.gettempdir()}; set TMPDIR") from None
        if code := re.search(r"GLOBAL ([\w.]+)", str(error)):
            raise DataError(
                f"{path}: asks to run {code[1]} when it is read, and nothing of it was run; "
                "expected tensors and numbers alone; do not use it"
            ) from None
        raise DataError(f"{path}: cannot be read: {_nature(path) or _brief(error)}; replace it") from None


def _unpickled(file: Path | IO[bytes]) -> Any:
    # the rest of a large checkpoint (optimiser, discriminator) stays on disk; the format of before 2020 cannot
    mapped = isinstance(file, Path) and zipfile.is_zipfile(file)
    stand_ins = torch.serialization.safe_globals([(_Discarded, name) for name in STAND_INS])
    with stand_ins, warnings.catch_warnings(action="ignore"):
        return torch.load(file, map_location="cpu", weights_only=True, mmap=mapped)


def _named(content: Any, path: Path) -> dict[str, Tensor]:
    if isinstance(content, dict):
        content = next((content[key] for key in NESTED if isinstance(content.get(key), dict)), content)
    if not isinstance(content, dict) or not content or not all(isinstance(item, Tensor) for item in content.values()):
        raise DataError(f"{path}: holds no tensors by name; expected a state dict; replace it")
    return dict(content)


def _nature(path: Path) -> str | None:
    """What a file is instead of one of tensors, where its first bytes tell."""
    if path.is_dir():
        return "it is a folder"
    try:
        with open(path, "rb") as file:
            start = file.read(256).lstrip()
    except OSError:
        return None
    if not start:
        return "it is empty"
    return "it is a web page" if start[:1] == b"<" and _is_text(start) else None


def _is_text(start: bytes) -> bool:
    """Whether the first bytes of a file may be those of a text; the last character may be cut."""
    try:
        codecs.getincrementaldecoder("utf-8")().decode(start)
    except UnicodeDecodeError:
        return False
    return True


def _brief(error: Exception) -> str:
    return f"damaged or of another format ({' '.join(str(error).split())[:120] or type(error).__name__})"
