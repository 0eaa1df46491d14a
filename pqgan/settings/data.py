"""Data sets: where images come from and how a prepared set is cut from them."""

from pathlib import PurePosixPath
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from .base import Count, PositiveFloat, PositiveInt, Section, Side
from .names import Name, Named

PathText = Annotated[str, Field(pattern=r"^[^\x00]*$")]
"""What the system takes for a path, whether there is one or not."""


class WheelPhotos(Section):
    """Crops of the photographs that ship inside the scikit-image and scikit-learn wheels."""

    source: Literal["wheel_photos"]
    photos: Named[Name, str]
    """File name without suffix -> caption. The photograph is also the class of its crops."""
    crops: PositiveInt
    """Images in the set, shared evenly among the photographs."""
    size: Side
    """Side of a crop in pixels."""
    zoom: tuple[PositiveFloat, PositiveFloat]
    """Range of the side cut from the photograph, as a multiple of size, before it is resized to size."""

    @field_validator("zoom")
    @classmethod
    def _zoom_rises(cls, zoom: tuple[float, float]) -> tuple[float, float]:
        if zoom[0] > zoom[1]:
            raise ValueError("allowed: the smaller number first")
        return zoom


class CaptionTable(Section):
    """A table of captions beside a folder of images, as Unsplash ships it."""

    table: PathText
    """Glob below the data root, tab-separated."""
    id_column: str
    """Column that holds the image's file name without suffix."""
    caption_columns: tuple[str, ...]
    """First non-empty one is the caption."""


ARCHIVE = r"\.(tar|tar\.gz|tgz|zip)$"


def _is_none(value: Any) -> bool:
    """Unset optional fields are not part of the digest: addresses made before the field existed stay valid."""
    return value is None


class ImageFolder(Section):
    """A folder of images below the data root (PQGAN_DATA_DIR, else data/raw)."""

    source: Literal["folder"]
    path: PathText
    """Below the data root."""
    classes: bool = False
    """Whether the sub-folders are classes."""
    size: Side
    """Shortest side (geometry crop) or both sides (geometry squash) of the stored images, pixels."""
    first: Count = 0
    """Index of the first image, in order of path."""
    count: PositiveInt | None = None
    """How many images from there; all where not given."""
    every: PositiveInt = 1
    """Keep every n-th image, counted from `first`. Unlike with `count`, a subset then still has all classes."""
    captions: CaptionTable | None = None

    geometry: Literal["crop", "squash"] | None = Field(default=None, exclude_if=_is_none)
    """How images reach the size, where it is not as the reading says (evaluation.second)."""
    archive: str | None = Field(default=None, pattern=ARCHIVE, exclude_if=_is_none)
    """Below the data root; unpacked into the first folder of path where that is not there."""
    sha256: str | None = Field(default=None, pattern="^[0-9a-f]{64}$", exclude_if=_is_none)
    """Of the archive, which it has to be given with: it is checked before anything is unpacked."""

    @model_validator(mode="after")
    def _archive_goes_below_the_root(self) -> "ImageFolder":
        parts = PurePosixPath(self.path).parts
        if self.archive and (not parts or parts[0] == "/" or ".." in parts):
            raise ValueError(f"path is {self.path!r}; allowed beside archive: a folder below the data root")
        if bool(self.archive) != bool(self.sha256):
            alone = "archive" if self.archive else "sha256"
            raise ValueError(f"{alone} is given alone; allowed: archive with its sha256, or neither")
        return self


Source = Annotated[WheelPhotos | ImageFolder, Field(discriminator="source")]


class DataSection(Section):
    """Every prepared set of a scale, by name."""

    raw: PositiveInt = 1
    """Of the files below the data root, whose content no address knows: bumped by hand if they change."""
    sets: Named[Name, Source]
    disjoint: tuple[tuple[str, str], ...] = ()
    """Pairs of sets that may share no photograph."""

    @model_validator(mode="after")
    def _disjoint_sets_share_no_photo(self) -> "DataSection":
        for left, right in self.disjoint:
            for name in (left, right):
                if name not in self.sets:
                    raise ValueError(f"disjoint names {name!r}; allowed: {', '.join(self.sets)}")
            photos = [set(getattr(self.sets[name], "photos", ())) for name in (left, right)]
            if shared := photos[0] & photos[1]:
                raise ValueError(
                    f"sets {left!r} and {right!r} share {', '.join(sorted(shared))}; allowed: no photograph in both"
                )
        return self
