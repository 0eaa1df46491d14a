"""Image codecs as baselines: JPEG, WebP and AVIF at a given number of bits a pixel (not in the paper).

One quality holds for a whole set: the largest whose files take no more than the bits asked for, on the mean. Files are
counted with their headers, which at 64 px are most of a small JPEG. Pillow's encoders; a file depends on its image and
the encoder's version alone.
"""

import io
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import PIL
import torch
from PIL import Image, features
from torch import Tensor

from pqgan.engine import processes
from pqgan.engine.launch import agreeing
from pqgan.errors import ResourceError, SettingsError
from pqgan.evaluate.networks.pixels import to_float, to_uint8
from pqgan.records import FeatureNetwork
from pqgan.settings.codecs import METHODS, canonical, parse
from pqgan.tokenizer.kinds import Tokenizer


@dataclass(frozen=True)
class Way:
    """How a codec writes files, but for the quality."""

    subsampling: str
    """Of the colour channels."""
    options: Mapping[str, Any]
    """Of Pillow's encoder."""


@dataclass(frozen=True)
class Encoder:
    """A codec of Pillow."""

    library: tuple[str, str]
    """Pillow's name of the library behind it, and the library's own."""
    lowest: int
    """Quality; the highest is 100."""
    ways: tuple[Way, ...]
    """The first is tried first; the next where its files are too large at any quality."""


HIGHEST = 100
ENCODERS = {
    # with Huffman tables of the image's own, which an encoder is free to make
    "jpeg": Encoder(
        ("libjpeg_turbo", "libjpeg-turbo"),
        1,  # Pillow takes 0 for its default
        tuple(Way(colours, {"subsampling": colours, "optimize": True}) for colours in ("4:4:4", "4:2:0")),
    ),
    # lossy WebP knows no other; method 6 is its most thorough
    "webp": Encoder(("webp", "libwebp"), 0, (Way("4:2:0", {"method": 6}),)),
    "avif": Encoder(
        ("avif", "libavif"),
        0,
        tuple(Way(colours, {"subsampling": colours, "speed": 6, "max_threads": 1}) for colours in ("4:4:4", "4:2:0")),
    ),
}
_CHECKED = {"jpeg": "jpg"}
"""Codec -> Pillow's name of it, where that is another."""


class Codec(Tokenizer):
    """A codec behind the interface of a tokenizer: no network, no latents; F = 1, as it takes images of any size.

    Args:
        name: codec and bits a pixel, such as jpeg@1.75.
        quality: of the encoder, and how it writes; None until a set says which (`on`).

    Raises:
        SettingsError: it is no such name.
        ResourceError: this Pillow does not write such files.
    """

    kind = "codec"
    factor = 1

    def __init__(self, name: str, quality: int | None = None, way: Way | None = None):
        try:
            self.codec, self.bits = parse(name)
        except ValueError as error:
            raise SettingsError(f"model: got {name!r}; {error}") from None
        self.name, self.quality, self.way = canonical(name), quality, way
        self.encoder = ENCODERS[self.codec]
        if not features.check(_CHECKED.get(self.codec, self.codec)):
            raise ResourceError(
                f"model: {self.name}: Pillow {PIL.__version__} here writes no {METHODS[self.codec]}; install one that "
                "does, as the pillow of requirements.lock, or leave it out"
            )
        library, own = self.encoder.library
        version = features.version(library)
        self.library = f"Pillow {PIL.__version__}{f', {own} {version}' if version else ''}"
        self.source = FeatureNetwork(origin=self.library, files={})
        self.published = {}

    def to(self, device: torch.device | str) -> Self:
        """Itself: it computes on the CPU, and what it makes is where the images are."""
        return self

    def on(self, batches: Callable[[], Iterator[Tensor]], where: str) -> "Codec":
        """The codec at the quality that a set needs: bisection, as files grow with quality.

        Where there are several processes each brings its share, in rank order, and each has to call; all find the same.

        Args:
            batches: makes an iterator of this process's images (B, 3, H, W) in [-1, 1]; called for each quality that
                is tried.
            where: the set, for messages.

        Raises:
            SettingsError: no quality comes so low, or so high.
        """
        for way in self.encoder.ways:
            low, least = self.encoder.lowest, self._mean(batches, way, self.encoder.lowest)
            if least <= self.bits:
                break
        high, most = HIGHEST, self._mean(batches, way, HIGHEST)
        with agreeing():
            if not least <= self.bits <= most:
                raise SettingsError(
                    f"model: got {self.name}; {METHODS[self.codec]} of the set {where} takes {least:.4g} bits a pixel "
                    f"at quality {low}, {most:.4g} at quality {high} ({way.subsampling}, headers counted); allowed: "
                    "from the one to the other"
                )
        if most == self.bits:
            low = high
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if self._mean(batches, way, middle) <= self.bits else (low, middle)
        return Codec(self.name, low, way)

    def _mean(self, batches: Callable[[], Iterator[Tensor]], way: Way, quality: int) -> float:
        """Bits a pixel over the whole set."""
        size = pixels = 0
        with agreeing():
            for images in batches():
                size += sum(map(len, self._files(images, way, quality)))
                pixels += len(images) * images.shape[2] * images.shape[3]
        size, pixels = processes.cat(torch.tensor([[size, pixels]])).sum(dim=0).tolist()
        return 8 * size / pixels

    def _files(self, images: Tensor, way: Way, quality: int) -> list[bytes]:
        """A file for each of images (B, 3, H, W) in [-1, 1]."""

        def file(pixels: np.ndarray) -> bytes:
            stream = io.BytesIO()
            Image.fromarray(pixels).save(stream, METHODS[self.codec].upper(), quality=quality, **way.options)
            return stream.getvalue()

        # the encoders let go of the interpreter's lock
        with ThreadPoolExecutor(torch.get_num_threads()) as threads:
            return list(threads.map(file, to_uint8(images).permute(0, 2, 3, 1).cpu().numpy()))

    def round_trip(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Images (B, 3, H, W) in [-1, 1] written as files and read, and bits a pixel (B,) float64 of each file."""
        files = self._files(images, self.way, self.quality)
        pixels = torch.from_numpy(np.stack(list(_read(files))))  # (B, H, W, 3)
        bits = 8 * torch.tensor([len(file) for file in files], dtype=torch.float64) / images[0, 0].numel()
        return to_float(pixels.permute(0, 3, 1, 2).to(images.device)), bits.to(images.device)

    def subject(self) -> dict[str, Any]:
        """Codec, what it is asked for, and what writes its files."""
        about = {"kind": self.kind, "method": METHODS[self.codec], "target": self.bits, "library": self.library}
        return about | {"parameters": 0}

    def encoded(self) -> dict[str, Any]:
        """How files are written, once a set has said it."""
        return {"quality": self.quality, "subsampling": self.way.subsampling}


def _read(files: Iterable[bytes]) -> Iterator[np.ndarray]:
    for file in files:
        with Image.open(io.BytesIO(file)) as image:
            yield np.asarray(image.convert("RGB"))
