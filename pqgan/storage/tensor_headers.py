"""What files of weights say that they hold, before a byte of it is read: names, types and shapes of their tensors."""

import os
import struct
from dataclasses import dataclass
from pathlib import Path

from safetensors import SafetensorError, safe_open

from pqgan.errors import DataError

from .json_files import in_line, read_object, regular

WEIGHTS = "diffusion_pytorch_model.safetensors"
INDEX = f"{WEIGHTS}.index.json"
"""Of weights in several files."""
LONGEST_HEADER = 16 << 20
"""Bytes; a tensor takes about a hundred."""
MOST = 20_000
"""Tensors of a network; ten times those of the largest that are used here."""


@dataclass(frozen=True)
class Stored:
    """A tensor in a file."""

    dtype: str
    """As safetensors calls it: F32, BF16, F8_E4M3, I64, ..."""
    shape: tuple[int, ...]

    @property
    def is_floating(self) -> bool:
        return self.dtype.startswith(("F", "BF"))


def read_header(path: Path) -> dict[str, Stored]:
    """The tensors of a safetensors file by name.

    Raises:
        DataError: missing, no regular file, no safetensors, cut short, or of more tensors than a network has.
    """
    expected = "weights as safetensors; put them there again"
    size = regular(path, expected).st_size
    try:
        with open(path, "rb") as file:
            start = file.read(8)
        if len(start) == 8 and struct.unpack("<Q", start)[0] > min(LONGEST_HEADER, size - 8):
            raise DataError(f"{path}: damaged or cut short: {size:,} bytes, with a header of more; expected {expected}")
        with safe_open(path, "np") as file:
            names = list(file.keys())
            if len(names) > MOST:
                raise DataError(f"{path}: holds {len(names):,} tensors; expected at most {MOST:,}")
            slices = {name: file.get_slice(name) for name in names}
            return {name: Stored(each.get_dtype(), tuple(each.get_shape())) for name, each in slices.items()}
    except (SafetensorError, OSError, ValueError) as error:
        raise DataError(f"{path}: damaged or cut short ({in_line(error)}); expected {expected}") from None


def read_headers(folder: Path) -> dict[str, Stored]:
    """The tensors of a diffusers folder by name, in one file or in several.

    Raises:
        DataError: as `read_header`; or there is none, or an index that does not fit its files.
    """
    if not os.path.lexists(folder / INDEX):
        return read_header(folder / WEIGHTS)
    expected = f"an index of the files that hold the weights, as {WEIGHTS} of several; put it there again"
    files = read_object(folder / INDEX, expected).get("weight_map")
    names = list(files.values()) if isinstance(files, dict) else []
    if not names or not all(isinstance(name, str) and Path(name).name == name for name in names):
        raise DataError(f"{folder / INDEX}: has no weight_map of files beside it; expected {expected}")
    found: dict[str, Stored] = {}
    for name in sorted(set(names)):
        stored = read_header(folder / name)
        if strange := [key for key in stored if files.get(key) != name]:
            raise DataError(f"{folder / name}: holds {in_line(strange[0])}, which {INDEX} does not list there")
        found |= stored
    if missing := [key for key in files if key not in found]:
        raise DataError(f"{folder / INDEX}: lists {in_line(missing[0])}, which no file holds; expected {expected}")
    return found
