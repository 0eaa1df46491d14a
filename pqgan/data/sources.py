"""Where raw images come from: photographs inside installed wheels, or a folder of files."""

import os
from dataclasses import dataclass
from functools import cache
from glob import glob
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path, PurePosixPath
from typing import Protocol

from PIL import Image

from pqgan.errors import DataError, SettingsError
from pqgan.randomness import rng_at
from pqgan.settings.data import CaptionTable, ImageFolder, WheelPhotos
from pqgan.storage.json_files import regular

from .archive import provide
from .captions import rows
from .files import image_files
from .pixels import Decoded, Geometry, decode, read_rgb, resize

DATA_DIR = "PQGAN_DATA_DIR"
WHEEL_FOLDERS = (("skimage", "data"), ("sklearn", "datasets/images"))
REDRAWS = 100


@dataclass(frozen=True, slots=True)
class Row:
    """What is known of an image besides its pixels."""

    source: str
    """Photograph or file, below the set's folder, that it is cut from."""
    label: int
    """Index into classes; -1 where the set has none."""
    caption: str


class RawImages(Protocol):
    """A set before it is written, each image a pure function of its index."""

    classes: list[str]
    ignored: int
    """Files that are there but are no images."""

    def __len__(self) -> int: ...

    def row(self, index: int) -> Row: ...

    def decoded(self, index: int) -> Decoded:
        """At its stored size; ValueError, which says why, where it cannot be read."""
        ...


def open_images(source: WheelPhotos | ImageFolder, *, geometry: Geometry, seed: int) -> RawImages:
    """The images of a source, none of them decoded to stay.

    Args:
        source: an entry of data.sets.
        geometry: what becomes of the sides of a folder's images; wheel crops are square either way.
        seed: that crops are drawn from.

    Raises:
        SettingsError: a photograph that is not there, or too small for the zoom.
        DataError: a folder or caption table that is not there, or does not hold what the settings say.
    """
    if isinstance(source, WheelPhotos):
        return WheelCrops(source, seed)
    return FolderImages(source, geometry)


@cache
def wheel_photographs() -> dict[str, Path]:
    """File name without suffix -> path, of every picture in the installed scikit-image and scikit-learn wheels."""
    found = {}
    for package, folder in WHEEL_FOLDERS:
        # finding a top-level package does not import it
        spec = find_spec(package)
        for location in (spec.submodule_search_locations or ()) if spec else ():
            pictures = sorted(path for path in Path(location, folder).glob("*") if path.suffix in {".png", ".jpg"})
            found |= {path.stem: path for path in pictures}
    return found


class WheelCrops:
    """Square crops of photographs in turn: image i is crop i // P of photograph i % P, P photographs; no two alike.

    Of the levels that the wheels hold, whatever their colour profiles say: this set is for trying the pipeline out, and
    its content is to stay what it is.
    """

    ignored = 0

    def __init__(self, source: WheelPhotos, seed: int):
        self.source = source
        self.classes = list(source.photos)
        available = wheel_photographs()
        if missing := [name for name in self.classes if name not in available]:
            raise SettingsError(
                f"photos: got {', '.join(missing)}, which no installed scikit-image or scikit-learn wheel holds; "
                f"allowed: {', '.join(sorted(available)) or 'nothing, as neither is installed'}"
            )
        if source.crops < len(self.classes):
            raise SettingsError(
                f"crops: got {source.crops}; allowed: at least one for each of {len(self.classes)} photos"
            )
        self._photos = [read_rgb(available[name], managed=False) for name in self.classes]
        self._boxes = self._draw(seed)

    def _sides(self, name: str, photo: Image.Image) -> tuple[float, float]:
        """Smallest and largest side to cut from a photograph, pixels."""
        low, high = (zoom * self.source.size for zoom in self.source.zoom)
        if low > min(photo.size):
            raise SettingsError(
                f"zoom: got {list(self.source.zoom)} at size {self.source.size}: squares of {low:g} to {high:g} px, "
                f"not to be cut from {name} ({photo.width}x{photo.height} px); allowed: within the photo"
            )
        return low, min(high, *photo.size)

    def _draw(self, seed: int) -> list[tuple[int, int, int, int]]:
        boxes, seen = [], set()
        sides = [self._sides(name, photo) for name, photo in zip(self.classes, self._photos, strict=True)]
        for index in range(self.source.crops):
            crop, which = divmod(index, len(self.classes))
            photo, name = self._photos[which], self.classes[which]
            rng = rng_at(seed, crop, f"crop/{name}")
            for _ in range(REDRAWS):
                side = min(round(rng.uniform(*sides[which])), *photo.size)
                left, top = (int(rng.integers(0, room - side + 1)) for room in photo.size)
                box = (left, top, left + side, top + side)
                # of the pixels, not the box: plain background looks the same wherever it is cut
                content = sha256(self._cut(which, box).tobytes()).digest()
                if content not in seen:
                    break
            else:
                raise SettingsError(
                    f"crops: got {self.source.crops}, but crop {crop} of {name} repeats an earlier one in {REDRAWS} "
                    "draws; allowed: fewer crops, or a photograph with more in it"
                )
            seen.add(content)
            boxes.append(box)
        return boxes

    def _cut(self, which: int, box: tuple[int, int, int, int]) -> Image.Image:
        return resize(self._photos[which].crop(box), self.source.size, "squash")

    def __len__(self) -> int:
        return len(self._boxes)

    def row(self, index: int) -> Row:
        which = index % len(self.classes)
        name = self.classes[which]
        return Row(name, which, self.source.photos[name])

    def decoded(self, index: int) -> Decoded:
        return Decoded(self._cut(index % len(self.classes), self._boxes[index]), None)


def data_root() -> Path:
    """$PQGAN_DATA_DIR, else data/raw."""
    return Path(os.environ.get(DATA_DIR) or "data/raw")


class FolderImages:
    """Image files below a folder, in order of path; hidden files and other suffixes are left out and counted."""

    def __init__(self, source: ImageFolder, geometry: Geometry):
        self.size, self.geometry = source.size, geometry
        self.root = data_root() / source.path
        if not self.root.is_dir():
            self._fetch(source)
        files, self.ignored = image_files(self.root)
        self.classes = self._classes(files) if source.classes else []
        offered = files[source.first :: source.every]
        if not offered or len(offered) < (source.count or 0):
            wanted = f"first {source.first}, every {source.every}, count {source.count or 'all'}"
            raise DataError(f"{self.root}: holds {len(files)} images; expected more, for {wanted}; complete the folder")
        self.files = offered[: source.count]
        self._labels = {name: label for label, name in enumerate(self.classes)}
        self._captions = self._read_captions(source.captions) if source.captions else None

    def _fetch(self, source: ImageFolder) -> None:
        """Unpack the set's archive, if it has one, to where its folder belongs."""
        wanted = f"the folder {source.path}"
        if source.archive:
            archive, (first, *below) = data_root() / source.archive, PurePosixPath(source.path).parts
            folder = data_root() / first
            if archive.is_file() and not folder.is_dir():
                provide(archive, folder, "/".join(below), source.sha256)
            wanted = f"the archive {source.archive}, which is unpacked where there is no {folder},"
        if not self.root.is_dir():
            raise DataError(
                f"{self.root}: no such folder; put the images of {source.path} there, "
                f"or set {DATA_DIR} (now {os.environ.get(DATA_DIR) or 'not set'}) to the folder {wanted} is in"
            )

    def _classes(self, files: list[str]) -> list[str]:
        # of the whole folder, so that a label means the same in every slice of it
        if outside := [name for name in files if "/" not in name]:
            raise DataError(
                f"{self.root}: {len(outside)} images lie outside the class folders, {outside[0]} the first; "
                "expected one sub-folder a class; move them or set classes: false"
            )
        return sorted({name.partition("/")[0] for name in files})

    def _read_captions(self, captions: CaptionTable) -> dict[str, str]:
        pattern = str(data_root() / captions.table)
        tables = sorted(glob(pattern))
        if not tables:
            raise DataError(f"{pattern}: no such table; put it there, or remove captions from the set")
        wanted = [captions.id_column, *captions.caption_columns]
        found: dict[str, str] = {}
        for table in tables:
            regular(table, "a tab-separated table; put it there, or remove captions from the set")
            for name, *texts in rows(table, wanted):
                found.setdefault(name, next((line for text in texts if (line := " ".join(text.split()))), ""))
        if unknown := [name for name in self.files if Path(name).stem not in found]:
            raise DataError(
                f"{pattern}: {len(unknown)} of {len(self.files)} images have no row, {unknown[0]} the first; "
                f"expected their names without suffix in column {captions.id_column}; complete the table or remove them"
            )
        return found

    def __len__(self) -> int:
        return len(self.files)

    def row(self, index: int) -> Row:
        """The class folder's name is the caption where the set has no table."""
        name = self.files[index]
        group = name.partition("/")[0] if self.classes else ""
        caption = group if self._captions is None else self._captions[Path(name).stem]
        return Row(name, self._labels.get(group, -1), caption)

    def decoded(self, index: int) -> Decoded:
        image, profile = decode(self.root / self.files[index])
        return Decoded(resize(image, self.size, self.geometry), profile)
