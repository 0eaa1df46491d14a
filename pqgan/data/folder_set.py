"""A folder of any images as a set: nothing is prepared, every file is decoded when it is asked for."""

import hashlib
import json
import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image
from tqdm import tqdm

from pqgan.errors import DataError, ResourceError, SettingsError
from pqgan.machine import cores
from pqgan.storage.manifest import sha256

from .files import image_files
from .names import first_of, shown
from .pixels import Decoded, Geometry, Profile, decode, opened, resize

READERS = 8
"""Most threads that look at files."""
WAITING = 4096
"""Files that wait for them at a time."""


@dataclass(frozen=True)
class Content:
    """What looking at every file found."""

    digest: str
    """Over names and bytes of the files, which of them are converted to sRGB, size and geometry: sets of one digest
    hold the same images.
    """
    copies: int
    """Files that are, byte for byte, another of the set over again."""
    converted: int
    """Images whose colours a profile explains, and which are converted to sRGB."""
    profiles_ignored: int
    """Images whose colour profile is damaged, or for images of another kind."""


class FolderSet:
    """The images below a folder, in order of path.

    Attributes:
        name: of the folder.
        size: side that images are brought to, pixels.
        names: of the images, relative to the folder.
        found: images below the folder, of which a limit leaves some out.
        others: files below the folder that are no images.

    Args:
        folder: of the images, and of folders of them.
        size: pixels.
        geometry: how they are brought there.
        limit: take so many at most, at equal distances, because folders are often sorted by class.

    Raises:
        DataError: no images, a name that is not UTF-8, or a folder that cannot be read.
    """

    def __init__(self, folder: Path | str, size: int, geometry: Geometry, limit: int | None = None):
        self.folder, self.size, self.geometry = Path(folder), size, geometry
        self.name = shown(self.folder.resolve().name or "root")
        names, self.others = image_files(self.folder)
        self.found = len(names)
        n = min(self.found, limit or self.found)
        self.names = [names[place * self.found // n] for place in range(n)]

    def __len__(self) -> int:
        return len(self.names)

    def image(self, index: int) -> np.ndarray:
        """RGB pixels (H, W, 3), uint8, the shortest side of the set's size.

        Raises:
            DataError: the file cannot be read.
            ResourceError: too little memory for it.
        """
        try:
            return np.asarray(self._resized(index).image)
        except ValueError as error:
            raise DataError(f"{self.folder}: {_told(self.names[index], error)}; replace or remove it") from None

    def _resized(self, index: int) -> Decoded:
        try:
            image, profile = decode(self.folder / self.names[index])
            return Decoded(resize(image, self.size, self.geometry), profile)
        except MemoryError:
            name = shown(self.names[index])
            raise ResourceError(f"{self.folder}: out of memory with {name}; remove it, or give more") from None

    def label(self, index: int) -> int:
        """No image has a class."""
        return -1

    def caption(self, index: int) -> str:
        """No image has one."""
        return ""

    def check(self) -> Content:
        """Read every image, so that a bad one is known before hours of work.

        Raises:
            DataError: images that cannot be read; names the first of them and how many there are.
            ResourceError: too little memory for one.
        """
        quiet = not sys.stderr.isatty()
        looks = list(tqdm(self._looks(), f"read {self.name}", len(self), unit="image", leave=False, disable=quiet))
        if unreadable := [found for found in looks if isinstance(found, ValueError)]:
            raise DataError(
                f"{self.folder}: {len(unreadable)} of {len(self)} images cannot be read; replace or remove them: "
                + first_of([str(error) for error in unreadable])
            )
        # a converted image's pixels are none that an earlier pqgan, which converted none, knows by its name and bytes
        files = [
            (name, look.sha256, *(["sRGB"] if look.profile == "converted" else []))
            for name, look in zip(self.names, looks, strict=True)
        ]
        profiles = Counter(look.profile for look in looks)
        return Content(
            digest=hashlib.sha256(json.dumps([self.size, self.geometry, *files]).encode()).hexdigest(),
            copies=len(looks) - len({look.sha256 for look in looks}),
            converted=profiles["converted"],
            profiles_ignored=profiles["ignored"],
        )

    def _looks(self) -> Iterator["_Look | ValueError"]:
        """What each file in order is, or why it cannot be read."""
        # threads do: decoders and sha256 release the interpreter
        with ThreadPoolExecutor(min(READERS, cores())) as pool:
            try:
                for start in range(0, len(self), WAITING):
                    yield from pool.map(self._look, range(len(self))[start : start + WAITING])
            finally:
                pool.shutdown(cancel_futures=True)

    def _look(self, index: int) -> "_Look | ValueError":
        try:
            profile = self._resized(index).profile
            return _Look(sha256(self.folder / self.names[index]), profile)
        except (ValueError, OSError) as error:
            return ValueError(_told(self.names[index], error))


class _Look(NamedTuple):
    sha256: str
    profile: Profile | None


def side_of(folder: Path | str) -> int:
    """The side of the images below a folder, where they are all squares of one size, by what their files declare.

    Raises:
        SettingsError: they are not.
        DataError: as from FolderSet.
    """
    sizes: Counter[str] = Counter()
    names, _ = image_files(Path(folder))
    for name in names:
        try:
            with opened(Path(folder, name)) as image:
                sizes["{}x{}".format(*image.size)] += 1
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
            continue  # `check` names it
    (size, _), *more = sizes.most_common() or [("0x0", 0)]
    width, _, height = size.partition("x")
    if more or width != height:
        several = f"{len(sizes)} sizes, most often " if more else ""
        raise SettingsError(f"--size: {folder} has images of {several}{size} px; say the side that all are brought to")
    return int(width)


def _told(name: str, error: Exception) -> str:
    return f"{shown(name)} ({shown(' '.join(str(error).split()))})"
