"""Published networks by name: found in PQGAN_WEIGHTS_DIR, else in a cache, else downloaded; hashed before any use.

    find("inception")      the file
    read("inception")      its tensors
    source("inception")    where it is from, and its sha256, for metrics.json
    require(names)         all at once, before hours of work
    is_here("inception")   without a download

What each must be is pinned in pqgan/weights/catalogue.py. Where no sha256 is pinned, a file of the Hugging Face hub
must have the one that the hub itself publishes for it; any other is taken only from PQGAN_WEIGHTS_DIR. The first one
that was found is printed and recorded in the cache, and another is refused from then on (recorded.py).
"""

import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from pqgan.errors import DataError, ResourceError
from pqgan.records import FeatureNetwork
from pqgan.storage.verified import verified_sha256

from . import recorded
from .catalogue import CATALOGUE, Hub, Weights

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = ["CATALOGUE", "VARIABLE", "Hub", "Weights", "cache", "find", "folder", "load", "read", "require", "source"]

VARIABLE = "PQGAN_WEIGHTS_DIR"

_recorded_here: set[Path] = set()
"""Records of files that this process saw first."""
_said: set[Path] = set()
"""Files without a pinned sha256, of which it was printed."""


class Missing(ResourceError):
    """A network that is nowhere; `what` says which and why it could not be downloaded."""

    def __init__(self, *what: str):
        number = "1 network is" if len(what) == 1 else f"{len(what)} networks are"
        where = f"neither in {VARIABLE} ({folder() or 'not set'}) nor in {cache()} nor in the hub's cache"
        super().__init__(
            f"{number} missing, {where}: {'; '.join(what)}. Fetch it on a machine with a network and put it below the "
            f"folder that {VARIABLE} names; or set features.weights (features.clip.source) to 'random' where it is a "
            "feature network"
        )
        self.what = what


def folder() -> Path | None:
    """The folder that PQGAN_WEIGHTS_DIR names, or None.

    Raises:
        DataError: it is no folder.
    """
    named = os.environ.get(VARIABLE)
    if named and not Path(named).is_dir():
        raise DataError(f"{VARIABLE}: {named} is no folder; name the one with the weights, or unset it")
    return Path(named) if named else None


def cache() -> Path:
    """Where downloads go, but for those of the hub, which has its own cache: $XDG_CACHE_HOME/pqgan, else ~/.cache."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "pqgan"


def find(which: str | Weights) -> Path:
    """The file of a network, its sha256 verified (once for each change of the file).

    Args:
        which: a name of CATALOGUE, or an entry like those.

    Raises:
        DataError: a file there is damaged or another one.
        ResourceError: it is nowhere and cannot be downloaded; disk full.
    """
    return _found(which)[0]


def is_here(which: str | Weights) -> bool:
    """Whether a network that does not come from the hub is on this machine: `find` then downloads nothing."""
    entry = _entry(which)
    places = [path for path, *_ in _places(entry)]
    return any(map(os.path.exists, places if isinstance(entry.origin, Hub) else [*places, cache() / entry.name]))


def source(which: str | Weights) -> FeatureNetwork:
    """Where a network is from, with the commit where the hub gave it, and the sha256 of the file that `find` gives."""
    path, digest, origin = _found(which)
    return FeatureNetwork(origin=origin, files={path.name: digest})


def require(names: Iterable[str | Weights]) -> None:
    """Find all of them now; what is missing is named at once.

    Raises:
        ResourceError: some are missing.
        DataError: a file is damaged or another one.
    """
    missing = []
    for name in names:
        try:
            find(name)
        except Missing as error:
            missing += error.what
    if missing:
        raise Missing(*missing)


def read(which: str | Weights) -> "dict[str, Tensor]":
    """The tensors of `find(which)` by name, on the CPU, in float32 where they are floating-point.

    Raises:
        DataError: the file is damaged, or asks for code to be run.
    """
    from .tensors import read_tensors  # finding a file must not pay for torch

    path, entry = find(which), _entry(which)
    tensors = read_tensors(path, entry.member if path.suffix == ".zip" else None)
    return {key: value.float() if value.is_floating_point() else value for key, value in tensors.items()}


def load(network: "nn.Module", state: "dict[str, Tensor]", which: str | Weights) -> None:
    """Give a network its weights, none missing and none left over.

    Args:
        state: derived from `read(which)`; assigned, so that the network may lie on the meta device.

    Raises:
        DataError: the file holds another network.
    """
    try:
        network.load_state_dict(state, assign=True)
    except RuntimeError as error:
        reason = " ".join(str(error).split())[:300]
        forget(which)
        raise DataError(f"{find(which)}: is not {_entry(which).name} ({reason}); replace it") from None


def forget(which: str | Weights) -> None:
    """Take back what this process recorded of a file that turned out to be another one, or the right one is refused."""
    entry = _entry(which)
    for name in (entry.name, *entry.copies):
        record = recorded.place_of(cache(), name)
        if record in _recorded_here:
            _recorded_here.discard(record)
            record.unlink(missing_ok=True)


def _entry(which: str | Weights) -> Weights:
    if isinstance(which, Weights):
        return which
    if which not in CATALOGUE:
        raise DataError(f"{which}: no published network of that name; expected one of {', '.join(CATALOGUE)}")
    return CATALOGUE[which]


def _found(which: str | Weights) -> tuple[Path, str, str]:
    """Path, sha256 and origin."""
    entry = _entry(which)
    for path, name, expected in _places(entry):
        if os.path.exists(path):
            digest = _verified(path, entry, expected)
            return path, digest, str(entry.origin) if expected else _seen(path, entry, name, digest)
    if isinstance(entry.origin, Hub):
        return _from_hub(entry, entry.origin)
    path = cache() / entry.name
    if not entry.fetched or not path.exists():
        _download(entry, path)
    return path, _verified(path, entry, entry.sha256), str(entry.origin)


def _from_hub(entry: Weights, origin: Hub) -> tuple[Path, str, str]:
    from .hub import from_hub

    record = recorded.place_of(cache(), entry.name)
    seen = None if entry.sha256 else recorded.read(record)
    with _named(entry):
        path, expected, commit = from_hub(origin, entry.sha256, seen, record)
    digest = _verified(path, entry, expected)
    if entry.sha256:
        return path, digest, str(origin)
    return path, digest, _seen(path, entry, entry.name, digest, commit)


def _places(entry: Weights) -> Iterator[tuple[Path, str, str | None]]:
    """Where copies of one's own are looked for, their names below the folder, and what sha256 each must have."""
    if own := folder():
        for name, digest in {entry.name: entry.sha256, **entry.copies}.items():
            yield own / name, name, digest


def _verified(path: Path, entry: Weights, expected: str | None) -> str:
    """sha256 of a file that is there.

    Raises:
        DataError: it is another than expected, or no file.
    """
    published = path.name == Path(entry.name).name
    try:
        size = path.stat().st_size
        if not path.is_file() or (published and entry.size not in (None, size)):
            what = f"has {size} bytes" if path.is_file() else "is no file"
            raise DataError(f"{path}: {what}; expected {entry.size or 'some'} bytes of {entry.origin}; replace it")
        digest = verified_sha256(path, cache() / "verified.json")
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from None
    if expected not in (None, digest):
        raise DataError(
            f"{path}: sha256 is {digest}; expected {expected}, that of {entry.origin}; delete it, or replace it"
        )
    return digest


def _seen(path: Path, entry: Weights, name: str, digest: str, commit: str | None = None) -> str:
    """The origin of a file whose sha256 is not pinned; it must be the one that was seen first.

    Args:
        name: of the file below PQGAN_WEIGHTS_DIR.
        commit: of the hub that gave it.

    Raises:
        DataError: it is another.
    """
    record = recorded.place_of(cache(), name)
    seen = recorded.read(record)
    if seen is None:
        origin = str(replace(entry.origin, revision=commit) if commit else entry.origin)
        seen, where = recorded.write(record, origin, digest, path, commit)
        _recorded_here.add(record)
        if path not in _said:
            _said.add(path)
            why = "the hub's own" if commit else "there is none to compare it with"
            print(f"{path}: sha256 is {digest}; {why}, so {where}", file=sys.stderr)
    if digest != seen.sha256:
        raise recorded.refuse(str(path), digest, seen, record)
    return seen.origin


def _download(entry: Weights, path: Path) -> None:
    from .download import download, refuse_if_offline

    if not entry.fetched:
        raise Missing(_missing(entry, "not downloaded, as no sha256 of it is known"))
    with _named(entry):
        refuse_if_offline()
        download(str(entry.origin), path, size=entry.size, digest=entry.sha256)


@contextmanager
def _named(entry: Weights) -> Iterator[None]:
    """What cannot be downloaded inside is missing."""
    from .download import Unreachable

    try:
        yield
    except Unreachable as error:
        raise Missing(_missing(entry, f"cannot be downloaded: {error}")) from None


def _missing(entry: Weights, why: str) -> str:
    from .download import shown

    size = shown(entry.size) if entry.size else "size unknown"
    return f"{entry.name} ({size}, {entry.origin}): {why}"
