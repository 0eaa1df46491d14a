"""Two sets of images without pairs: gFID, KID, precision and recall of generated images against originals."""

import math
from collections.abc import Iterable, Iterator
from itertools import pairwise

import torch
from torch import Tensor

from pqgan.engine import processes
from pqgan.engine.launch import agreeing
from pqgan.errors import DataError, NumericalError
from pqgan.evaluate.metrics.frechet import Moments, frechet_distance, sample_note
from pqgan.evaluate.networks.feature_rows import Rows
from pqgan.evaluate.networks.inception import RESIZES, Inception, Resize
from pqgan.evaluate.networks.set_features import SetFeatures
from pqgan.randomness import generator_at
from pqgan.records import Measurement

from .metrics import kid
from .metrics import precision_recall as neighbours
from .original_features import Reference

SUBSETS, SUBSET_SIZE = 100, 1000
"""Of KID, as torchmetrics and torch-fidelity have them."""


@torch.inference_mode()
def collect(
    batches: Iterable[Tensor],
    inception: Inception,
    originals: Reference | SetFeatures,
    *,
    resize: Resize,
    device: torch.device | str = "cpu",
    counts: tuple[int, ...] = (),
    first: int = 0,
) -> "Generated":
    """Look at generated images, from a sampler or a folder, as they come.

    Where there are several processes each brings its share, in rank order, and each has to call.

    Args:
        batches: of images (B, 3, H, W) in [-1, 1], of any size.
        inception: the network to look through, on the device.
        originals: features of the images to compare with; those of a SetFeatures went through the same network.
        resize: whose gFID is the headline; the other metrics look at the features after it.
        device: of images and features.
        counts: numbers of images to measure, each time the first of them all; the headline's count comes first. All
            images where there is none.
        first: number of this process's first image.

    Returns:
        What was seen by all processes together, to be measured by one.

    Raises:
        DataError: features of another network or resize; too few originals or too small a count.
        NumericalError: an image is not finite.
    """
    with agreeing():
        generated = Generated(inception, originals, resize=resize, device=device, counts=counts, first=first)
        for images in batches:
            generated.update(images)
    return generated.over_processes()


class Generated:
    """Features of generated images, accumulated batch by batch; arguments as for `collect`.

    Moments are kept for each stretch between two counts, single features in float32.

    Attributes:
        n: images seen.
        sizes: (H, W) of the images.
    """

    def __init__(
        self,
        inception: Inception,
        originals: Reference | SetFeatures,
        *,
        resize: Resize,
        device: torch.device | str = "cpu",
        counts: tuple[int, ...] = (),
        first: int = 0,
    ):
        _check(originals, inception, resize)
        for n in counts:
            _check_count(n, "samples")
        self.inception, self.originals, self.resize, self.counts = inception, originals, resize, counts
        self.device = torch.device(device)
        self.n = 0
        self.sizes: set[tuple[int, ...]] = set()
        self._next = first
        self._bounds: list[float] = sorted(counts) or [math.inf]
        self._moments = {name: [Moments(inception.dimension, device) for _ in self._bounds] for name in RESIZES}
        self._seen = Rows(inception.dimension, device)
        self._rows: Tensor | None = None  # all (n, 2048), once that is what has been seen

    def update(self, images: Tensor) -> None:
        """Add images (B, 3, H, W) in [-1, 1]; those beyond the largest count are left out."""
        images = images[: self._before(self._bounds[-1], len(images))]
        if not len(images):
            return
        finite = images.isfinite().flatten(1).all(1)
        if not finite.all():
            number = self._next + int((~finite).nonzero()[0])
            raise NumericalError(f"generated image {number} is not finite; the model that made it diverged")
        cuts = [self._before(bound, len(images)) for bound in (0, *self._bounds)]
        for name, stretches in self._moments.items():
            features = self.inception(images, name)  # (B, 2048)
            for moments, (start, stop) in zip(stretches, pairwise(cuts), strict=True):
                moments.update(features[start:stop])
            if name == self.resize:
                self._seen.update(features)
        self.sizes.add(tuple(images.shape[2:]))
        self.n += len(images)
        self._next += len(images)

    def _before(self, bound: float, batch: int) -> int:
        """How many of the next images have a number below a bound."""
        return int(max(0, min(batch, bound - self._next)))

    def over_processes(self) -> "Generated":
        """Those of all processes together, in rank order; each of them has to ask, and adds no more images."""
        whole = Generated(self.inception, self.originals, resize=self.resize, device=self.device, counts=self.counts)
        for name, stretches in self._moments.items():
            whole._moments[name] = [moments.over_processes() for moments in stretches]
        whole._rows = processes.cat(self._seen.take())
        sizes = torch.tensor(sorted(self.sizes), dtype=torch.int64, device=self.device).view(-1, 2)
        whole.sizes = {tuple(size) for size in processes.cat(sizes).tolist()}
        whole.n = whole._next = len(whole._rows)
        return whole

    @torch.inference_mode()
    def measurements(self, how: str) -> list[Measurement]:
        """gFID by both resizes, KID, precision and recall, at every count.

        Args:
            how: the images were made, for the protocol.

        Raises:
            DataError: fewer images than asked for, or too few to measure.
        """
        counts = self.counts or (self.n,)
        if self.n < max(counts):
            raise DataError(f"generated images: got {self.n}; expected {max(counts)}; make as many, or ask for fewer")
        _check_count(self.n, "generated images")
        if self._rows is None:
            self._rows = self._seen.take()
        real, fake = self.originals.rows.to(self.device), self._rows
        real_radii = neighbours.radii(real)
        found = []
        for n in counts:
            same = {"n": n, "network": self.inception.label}
            beginning = f"{how}, {n} against {self.originals.n} images{self._sizes_note()}"
            for row in (*self._frechet(n), self._kid(real, fake[:n]), *_neighbours(real, fake[:n], real_radii)):
                conditions = {"resize": self.resize, **row.pop("conditions"), "reference_n": self.originals.n}
                resize = conditions["resize"]
                protocol = f"{beginning}; {RESIZES[resize]}; {row.pop('protocol')}"
                headline = n == counts[0] and resize == self.resize
                found.append(Measurement(**same, **row, protocol=protocol, headline=headline, conditions=conditions))
        return found

    def _sizes_note(self) -> str:
        """What a reader has to know where the two sides differ in size."""
        if not isinstance(self.originals, Reference):
            return ""
        side = self.originals.about.size
        if self.sizes == {(side, side)}:
            return ""
        H, W = min(self.sizes)
        sizes = f"{W}x{H} px" if len(self.sizes) == 1 else f"{len(self.sizes)} sizes"
        return f" (of {sizes} against {side}x{side} px, both resized to the network's input)"

    def _frechet(self, n: int) -> Iterator[dict]:
        for resize, stretches in self._moments.items():
            moments = Moments(self.inception.dimension, self.device)
            for bound, stretch in zip(self._bounds, stretches, strict=True):
                if bound == math.inf or bound <= n:
                    moments.merge(stretch)
            yield {
                "metric": "gfid",
                "value": frechet_distance(self.originals.moments[resize], moments),
                "protocol": f"pool3 features{sample_note(self.inception.dimension, self.originals.n, n)}",
                "conditions": {"resize": resize},
            }

    def _kid(self, real: Tensor, fake: Tensor) -> dict:
        size = min(SUBSET_SIZE, len(real), len(fake))
        mean, std = kid.kid(real, fake, subsets=SUBSETS, subset_size=size, generator=generator_at(0, 0, "kid"))
        return {
            "metric": "kid",
            "value": mean,
            "protocol": f"{kid.PROTOCOL}, mean over {SUBSETS} subsets of {size}, pool3 features",
            "conditions": {"std": std, "subsets": SUBSETS, "subset_size": size},
        }


def _neighbours(real: Tensor, fake: Tensor, real_radii: Tensor) -> Iterator[dict]:
    values = neighbours.precision_recall(real, fake, real_radii=real_radii)
    for metric, value in zip(("precision", "recall"), values, strict=True):
        protocol = f"{neighbours.protocol()}, pool3 features"
        yield {"metric": metric, "value": value, "protocol": protocol, "conditions": {"k": neighbours.K}}


def _check_count(n: int, name: str) -> None:
    if n <= neighbours.K:
        raise DataError(f"{name}: got {n}; expected more than the {neighbours.K} nearest that precision looks at")


def _check(originals: Reference | SetFeatures, inception: Inception, resize: Resize) -> None:
    """Raise DataError where the features of the originals are not those that this comparison looks at."""
    if isinstance(originals, Reference):
        originals.check([inception])
        where, rows = originals.where, originals.about.rows
    else:
        where, rows = "the originals", originals.kept
    if rows != resize:
        raise DataError(f"{where}: single features by the resize {rows}; expected {resize}; make it again")
    _check_count(originals.n, f"{where}: images")
