"""Any tokenizer by what a person calls it, frozen, behind one small interface.

A folder, trained here, fetched or of diffusers; a published name; a model of the hub; an original checkpoint.
"""

import json
import re
import tempfile
from pathlib import Path
from typing import Any

import torch
from pydantic import BaseModel, ConfigDict

from pqgan.baselines import PUBLISHED
from pqgan.errors import DataError, ResourceError, SettingsError
from pqgan.records import FeatureNetwork
from pqgan.storage.atomic import write_text
from pqgan.storage.json_files import in_line, read_model, read_object, regular
from pqgan.storage.manifest import sha256
from pqgan.storage.tensor_headers import INDEX, WEIGHTS
from pqgan.weights import locate
from pqgan.weights.tensors import read_tensors

from .config_check import check_weights
from .kinds import BY_CLASS, Tokenizer
from .published.convert import convert

SOURCE = "source.json"
SHARDS = "diffusion_pytorch_model-*-of-*.safetensors"
HUB_FILES = ("config.json", WEIGHTS, INDEX, SHARDS)
CHECKPOINTS = (".safetensors", ".ckpt", ".pt", ".pth")
ALLOWED = (
    "the folder of a model, with config.json; an original checkpoint "
    f"({', '.join(CHECKPOINTS)}); a model of the Hugging Face hub as owner/name[:subfolder][@revision]"
)
HUB = re.compile(r"(?P<id>\w[\w.-]*/\w[\w.-]*)(:(?P<folder>[\w./-]+))?(@(?P<revision>[\w./-]+))?")


class Source(BaseModel):
    """source.json, beside the weights of a published model that was fetched."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    published: str
    """Name in the catalogue."""
    origin: str
    files: dict[str, str]
    """sha256 of the files that were published."""
    weights: dict[str, str]
    """sha256 of the files beside this one, which were made from them."""


def wrap(model) -> Tokenizer:
    """The interface around a model of one of the kinds."""
    return BY_CLASS[type(model).__name__](model)


def load_model(folder: Path | str):
    """The diffusers model of a folder, ours or published, by the class its config.json names; in float32.

    Raises:
        DataError: no config.json there, a class that is no tokenizer, or not exactly its weights.
    """
    folder = Path(folder)
    path = folder / "config.json"
    config = read_object(path, "the folder of a trained tokenizer")
    name = config.get("_class_name")
    if not isinstance(name, str) or name not in BY_CLASS:
        raise DataError(f"{path}: _class_name is {in_line(repr(name))}; expected {', '.join(BY_CLASS)}")
    if name == "PQModel":
        from .model import PQModel as cls
    else:
        import diffusers

        cls = getattr(diffusers, name)
    # what is missing the library fills with random numbers, and it allocates before it compares
    check_weights(cls, config, folder)
    try:
        # half precision and fp8 are how weights are stored, not how they compute; and weights do not stay in the file,
        # which may be written anew
        return cls.from_pretrained(folder, torch_dtype=torch.float32, use_safetensors=True, disable_mmap=True)
    except (OSError, ValueError, TypeError, RuntimeError) as error:
        raise DataError(f"{folder}: cannot be loaded as {name}: {in_line(error)}") from None


def load_tokenizer(spec: Path | str) -> Tokenizer:
    """A tokenizer, frozen, in evaluation mode and in float32, with its `source` and, where it is published, its name.

    Args:
        spec: a published name (pqgan/baselines.py), such as pqgan-f8; the folder of a model, ours or of diffusers; an
            original checkpoint file; or a hub id, with `:subfolder` and `@revision` where wanted. A Path is always a
            place on the disk.

    Raises:
        SettingsError: it is none of these.
        DataError: not the files of a tokenizer, or damaged ones.
        ResourceError: not on this machine and not to be downloaded.
    """
    path = Path(spec)
    if spec in PUBLISHED:
        return open_published(str(spec))
    if spec and path.is_dir():
        return _open_folder(path)
    if path.is_file():
        return _open_checkpoint(path)
    if isinstance(spec, str) and (named := HUB.fullmatch(spec)):
        return _open_hub(named["id"], named["folder"], named["revision"])
    raise SettingsError(f"model: got {str(spec)!r}; allowed: {ALLOWED}; or a published name: {', '.join(PUBLISHED)}")


def open_published(name: str) -> Tokenizer:
    """A published tokenizer by its name in the catalogue.

    Raises:
        SettingsError: there is none of this name.
        DataError: its file is damaged or another.
        ResourceError: it is neither on this machine nor to be downloaded.
    """
    if name not in PUBLISHED:
        raise SettingsError(f"published: got {name!r}; allowed: {', '.join(PUBLISHED)}")
    config = PUBLISHED[name].config
    source = locate.source(name)
    where = f"{name} ({', '.join(source.files)})"
    try:
        if config is None:
            model = convert(locate.read(name), where)
        else:
            with tempfile.TemporaryDirectory() as folder:
                write_text(Path(folder) / "config.json", json.dumps(dict(config)))
                (Path(folder) / WEIGHTS).symlink_to(locate.find(name).absolute())
                model = load_model(folder)
        tokenizer = wrap(model)
        _check_published(tokenizer, name, where)
    except DataError:
        locate.forget(name)
        raise
    return _known(tokenizer, source, name)


def _check_published(tokenizer: Tokenizer, name: str, where: str) -> None:
    """Refuse another model's file in the place of a published one's."""
    subject = tokenizer.subject()
    found, expected = (
        {key: of(key) for key in ("kind", "F", "d", "S", "K")}
        for of in (subject.get, lambda key: getattr(PUBLISHED[name], key))
    )
    if found != expected:
        own, other = (
            ", ".join(f"{key}={value}" for key, value in of.items() if value is not None) for of in (expected, found)
        )
        raise DataError(f"{where}: is another tokenizer, {other}; expected {own}; get the file again")


def _open_folder(folder: Path) -> Tokenizer:
    files = hashes(folder)
    path = folder / SOURCE
    if not path.exists():
        return _known(wrap(load_model(folder)), FeatureNetwork(origin=str(folder), files=files))
    source = read_model(path, Source, "which published weights these are; delete the folder and fetch again")
    if source.published not in PUBLISHED:
        raise DataError(f"{path}: does not say which published weights these are; delete the folder and fetch again")
    if source.weights != files:
        raise DataError(f"{folder}: weights are not those that {SOURCE} lists; delete the folder and fetch again")
    return _known(wrap(load_model(folder)), FeatureNetwork(origin=source.origin, files=source.files), source.published)


def _open_checkpoint(path: Path) -> Tokenizer:
    if path.suffix not in CHECKPOINTS:
        raise SettingsError(f"model: got the file {path}; allowed: {', '.join(CHECKPOINTS)}")
    model = convert(read_tensors(path), str(path))
    return _known(wrap(model), FeatureNetwork(origin=str(path), files={path.name: sha256(path)}))


def _open_hub(model: str, subfolder: str | None, revision: str | None) -> Tokenizer:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import EntryNotFoundError, HfHubHTTPError, HFValidationError

    inside = f"{subfolder.strip('/')}/" if subfolder else ""
    name = f"{model}{f':{subfolder}' if subfolder else ''}{f'@{revision}' if revision else ''}"
    patterns = [inside + file for file in HUB_FILES]
    try:
        snapshot = Path(snapshot_download(model, revision=revision, allow_patterns=patterns))
    except (OSError, HfHubHTTPError, HFValidationError, EntryNotFoundError) as error:
        reason = str(error).strip().split("\n")[0].split(" (")[0]
        raise ResourceError(
            f"model: {name} is no folder here, nor in the Hugging Face cache, and cannot be downloaded: {reason}; on a "
            f"machine with a network run `hf download {model}` and point HF_HOME at its cache"
        ) from None
    folder = snapshot / inside
    if not (folder / "config.json").is_file():
        raise DataError(
            f"model: {name} has no config.json there; allowed: owner/name[:subfolder][@revision] of a model"
        )
    files = {inside + file: digest for file, digest in hashes(folder).items()}
    origin = f"{model} at {snapshot.name} of the Hugging Face hub"
    return _known(wrap(load_model(folder)), FeatureNetwork(origin=origin, files=files))


def hashes(folder: Path) -> dict[str, str]:
    """sha256 of the files in a diffusers folder that hold its weights."""
    paths = [path for pattern in (WEIGHTS, SHARDS) for path in sorted(folder.glob(pattern))]
    for path in paths:
        regular(path, "weights as safetensors; put them there again")
    return {path.name: sha256(path) for path in paths}


def _known(tokenizer: Tokenizer, source: FeatureNetwork, published: str | None = None) -> Tokenizer:
    tokenizer.source = source
    if published is not None:
        tokenizer.published = about(published)
    return tokenizer


def about(name: str) -> dict[str, Any]:
    """What tables say of a published model besides its measurements."""
    published = PUBLISHED[name]
    return {"published": name, "method": published.method, "latent": published.latent}
