"""Published networks that measure images: where they come from, and where a copy is looked for before a download."""

import hashlib
import os
import urllib.request
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import TYPE_CHECKING

from pqgan.errors import DataError, ResourceError

from .atomic import write_bytes

if TYPE_CHECKING:
    from torch import Tensor, nn

VARIABLE = "PQGAN_WEIGHTS_DIR"


@dataclass(frozen=True)
class Weights:
    """A published file and the converted copies of it that are accepted from PQGAN_WEIGHTS_DIR."""

    url: str
    size: int
    """Bytes."""
    sha256: str
    """Begins with the digits in the file's name, which is what torch.hub checks."""
    copies: tuple[str, ...] = ()
    """File names of safetensors with the same keys; what matters of them is checked by the strict load."""

    @property
    def file(self) -> str:
        return self.url.rpartition("/")[2]


WEIGHTS = {
    "inception": Weights(  # FID's InceptionV3 of 2015-12-05, as torch-fidelity converted it
        "https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/weights-inception-2015-12-05-6726825d.pth",
        95_628_359,
        "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2",
        ("fid_inception_v3_2015-12-05.safetensors",),
    ),
    "alex": Weights(
        "https://download.pytorch.org/models/alexnet-owt-7be5be79.pth",
        244_408_911,
        "7be5be791159472b1fbf3c69796f7cb30dca7ad8466c2df70058c37116cdee02",
        ("lpips_alexnet.safetensors",),
    ),
    "vgg": Weights(
        "https://download.pytorch.org/models/vgg16-397923af.pth",
        553_433_881,
        "397923af8e79cdbb6a7127f12361acd7a2f83e06b05044ddf496e83de57a5bf0",
        ("lpips_vgg16.safetensors", "lpips_vgg16_fp16.safetensors"),
    ),
    "squeeze": Weights(
        "https://download.pytorch.org/models/squeezenet1_1-b8a52dc0.pth",
        4_958_839,
        "b8a52dc049b60e4b6ab68ad0df457362afab8b6304b2febdc1650a5dab4d7e7b",
        ("squeezenet1_1.safetensors", "squeezenet1_1_fp16.safetensors"),
    ),
}
"""inception of FID; alex, vgg and squeeze are LPIPS backbones, whose heads ship inside the lpips wheel."""


def folder() -> Path | None:
    """The folder that PQGAN_WEIGHTS_DIR names, or None."""
    return Path(os.environ[VARIABLE]) if os.environ.get(VARIABLE) else None


def cache() -> Path:
    """Where downloads go: $XDG_CACHE_HOME/pqgan, else ~/.cache/pqgan."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "pqgan"


def find(name: str) -> Path:
    """A file with the weights: in PQGAN_WEIGHTS_DIR, else in the cache, else downloaded into it and checked.

    Raises:
        DataError: the file there has another size than the published one.
        ResourceError: it is nowhere and cannot be downloaded.
    """
    weights = WEIGHTS[name]
    own = folder()
    places = [own / file for file in (weights.file, *weights.copies)] if own else []
    for path in (*places, cache() / weights.file):
        if path.is_file():
            if path.name == weights.file and path.stat().st_size != weights.size:
                raise DataError(f"{path}: has {path.stat().st_size} bytes; expected {weights.size}; delete it")
            return path
    return _download(weights)


def _download(weights: Weights) -> Path:
    target = cache() / weights.file
    try:
        with urllib.request.urlopen(weights.url, timeout=30) as response:
            content = response.read()
    except (OSError, HTTPException) as error:
        own = folder() or "not set"
        raise ResourceError(
            f"{weights.file}: not in {VARIABLE} ({own}) nor in {target.parent}, and {weights.url} cannot be downloaded "
            f"({getattr(error, 'reason', None) or error}); put the file into one of these folders, "
            "or set features.weights to 'random'"
        ) from None
    found = hashlib.sha256(content).hexdigest()
    if found != weights.sha256:
        raise DataError(f"{weights.url}: sha256 is {found}; expected {weights.sha256}; try again")
    write_bytes(target, content)
    return target


def read(name: str) -> "dict[str, Tensor]":
    """The tensors of `find(name)` by name, in float32.

    Raises:
        DataError: the file is damaged.
    """
    import torch  # finding a file must not pay for it
    from safetensors.torch import load_file

    path = find(name)
    try:
        if path.suffix == ".safetensors":
            state = load_file(path)
        else:
            state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise DataError(f"{path}: cannot be read ({' '.join(str(error).split())[:200]}); delete it") from None
    return {key: value.float() if value.is_floating_point() else value for key, value in state.items()}


def load(network: "nn.Module", state: "dict[str, Tensor]", name: str) -> None:
    """Give a network its weights, none missing and none left over.

    Args:
        state: derived from `read(name)`; assigned, so that the network may lie on the meta device.

    Raises:
        DataError: the file holds another network.
    """
    try:
        network.load_state_dict(state, assign=True)
    except RuntimeError as error:
        reason = " ".join(str(error).split())[:300]
        raise DataError(f"{find(name)}: is not {WEIGHTS[name].file} ({reason}); replace it") from None
