"""The originals' side of every comparison, computed once per set and reused by every model: `pqgan reference`."""

from collections.abc import Iterable
from pathlib import Path
from typing import Literal

import torch
from pydantic import BaseModel, ConfigDict
from safetensors.torch import load_file, save_file
from torch import Tensor

from pqgan.data.batches import evaluation_batches
from pqgan.data.prepared import PreparedSet
from pqgan.engine.launch import device
from pqgan.engine.timing import arithmetic, device_name
from pqgan.errors import DataError
from pqgan.evaluate.metrics.frechet import Moments
from pqgan.evaluate.networks.clip import Clip
from pqgan.evaluate.networks.inception import Inception, Resize
from pqgan.evaluate.networks.set_features import Networks, SetFeatures
from pqgan.job import Job
from pqgan.provenance import write_provenance
from pqgan.records import FeatureNetwork
from pqgan.settings import Settings
from pqgan.storage.atomic import write_text
from pqgan.storage.json_files import in_line, read_model
from pqgan.storage.manifest import Sha256, check_listed, sha256
from pqgan.storage.outputs import new_result
from pqgan.storage.tensor_headers import read_header

ABOUT = "reference.json"
FEATURES = "features.safetensors"
REMEDY = "delete the folder and make it again"


class About(BaseModel):
    """reference.json."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: Literal[1] = 1
    name: str
    """Of the set."""
    digest: Sha256
    """Of the set's content."""
    n: int
    size: int
    """Side of the images, pixels."""
    rows: Resize
    """Resize behind the single features."""
    networks: dict[str, FeatureNetwork]
    device: str
    dtype: str
    sha256: Sha256
    """Of the features' file."""


class Reference:
    """Features of a set of originals.

    Attributes:
        about: what they are of.
        moments: of InceptionV3's features, by resize.
        embeddings: of CLIP, (n, D) float32 of unit length, by whether the resize is antialiased.
        rows: (n, 2048) float32, InceptionV3's features after the resize `about.rows`.
    """

    def __init__(
        self, about: About, moments: dict[Resize, Moments], embeddings: dict[bool, Tensor], rows: Tensor, where: str
    ):
        self.about, self.moments, self.embeddings, self.rows = about, moments, embeddings, rows
        self.where = where

    @property
    def n(self) -> int:
        return self.about.n

    def check(self, networks: Iterable[Inception | Clip], *, n: int | None = None, digest: str | None = None) -> None:
        """Whether a comparison may use these features.

        Args:
            networks: that the other side goes through.
            n: images of the other side, where they come in pairs.
            digest: of the set that is reconstructed.

        Raises:
            DataError: other networks, or another set.
        """
        for network in networks:
            found = self.about.networks.get(network.label)
            if found != network.source:
                expected = f"{network.label} ({_brief(network.source)})"
                got = f"the same with {_brief(found)}" if found else ", ".join(self.about.networks)
                raise DataError(f"{self.where}: made through {in_line(got)}; expected {expected}; make it again")
        for name, expected, got in (("images", n, self.n), ("content digest", digest, self.about.digest)):
            if expected is not None and expected != got:
                raise DataError(
                    f"{self.where}: features of a set with {name} {got}; expected {expected}, that of the images to be "
                    "reconstructed; make it again"
                )


def _brief(source: FeatureNetwork) -> str:
    return "; ".join([source.origin, *(f"{name} {digest[:12]}" for name, digest in source.files.items())])


@torch.inference_mode()
def run(settings: Settings, job: Job, *, data: Path, out: Path) -> None:
    """Compute the features of a prepared set.

    Args:
        job: of chapter reference.
        data: prepared set.
        out: features.safetensors, reference.json and provenance.json.

    Raises:
        ResourceError: a published feature network is not to be had.
    """
    section, reading = settings.scale.evaluation, settings.reading
    target = device(settings.scale.hardware)
    networks = Networks(section.features, reading.metrics, target, without=("lpips",))
    prepared = PreparedSet(data)
    size = job.spec["size"]
    batches = evaluation_batches(
        prepared,
        batch=settings.scale.evaluation_batch(size),
        resolution=size,
        geometry=settings.scale.geometry_of(prepared.name, reading),
        workers=settings.scale.hardware.workers,
        device=target,
    )
    features = collect(networks, (batch.images for batch in batches), reading.metrics.fid)
    with new_result(out, job.chapter) as folder:
        write(features, folder, name=prepared.name, digest=prepared.digest, size=size)
        write_provenance(folder, job)


def collect(networks: Networks, batches: Iterable[Tensor], rows: Resize) -> SetFeatures:
    """Features of images that come in batches (B, 3, H, W) in [-1, 1]."""
    features = SetFeatures(networks, rows)
    for images in batches:
        features.update(images)
    return features


def write(features: SetFeatures, folder: Path, *, name: str, digest: str, size: int) -> None:
    """Write what `read` reads."""
    tensors = {f"rows.{features.kept}": features.rows}
    for resize, moments in features.moments.items():
        tensors |= {f"moments.{resize}.{part}": tensor for part, tensor in moments.tensors().items()}
    for antialias, embeddings in features.embeddings.items():
        tensors[f"embeddings.{_way(antialias)}"] = embeddings
    save_file({key: tensor.cpu().contiguous() for key, tensor in tensors.items()}, folder / FEATURES)
    networks = features.networks
    about = About(
        name=name,
        digest=digest,
        n=features.n,
        size=size,
        rows=features.kept,
        networks={network.label: network.source for network in networks.of_sets()},
        device=device_name(networks.device),
        dtype=arithmetic(networks.device),
        sha256=sha256(folder / FEATURES),
    )
    write_text(folder / ABOUT, about.model_dump_json(indent=1) + "\n")


def _way(antialias: bool) -> str:
    return "antialias" if antialias else "plain"


def read(folder: Path | str, target: torch.device | str = "cpu") -> Reference:
    """The features of a folder, verified; large ones stay on disk until they are used.

    Args:
        target: device of the moments.

    Raises:
        DataError: it is missing, damaged, or no such folder.
    """
    folder = Path(folder)
    about = read_model(folder / ABOUT, About, f"that of a folder made by pqgan reference; {REMEDY}")
    check_listed(folder / ABOUT)
    path = folder / FEATURES
    found = sha256(path) if path.is_file() else "missing"
    if found != about.sha256:
        raise DataError(f"{path}: sha256 is {found}; {ABOUT} lists {about.sha256}; {REMEDY}")
    read_header(path)
    tensors = load_file(path)
    moments: dict[str, dict[str, Tensor]] = {}
    for key, tensor in tensors.items():
        kind, _, rest = key.partition(".")
        if kind == "moments":
            resize, _, part = rest.rpartition(".")
            moments.setdefault(resize, {})[part] = tensor.to(target)
    embeddings = {way: tensors[key] for way in (True, False) if (key := f"embeddings.{_way(way)}") in tensors}
    rows = tensors.get(f"rows.{about.rows}")
    try:
        made = {resize: Moments.from_tensors(parts) for resize, parts in moments.items()}
    except ValueError as error:
        raise DataError(f"{path}: {in_line(error)}; {REMEDY}") from None
    counts = {each.shape[0] if each.dim() == 2 else None for each in (rows, *embeddings.values()) if each is not None}
    sizes = {(each.n, each.dimension) for each in made.values()}
    if rows is None or counts != {about.n} or not sizes <= {tuple(rows.shape)}:
        raise DataError(f"{folder / ABOUT}: says other images or rows than {FEATURES} holds; {REMEDY}")
    return Reference(about, made, embeddings, rows, str(folder))
