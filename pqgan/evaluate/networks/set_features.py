"""The feature networks of an evaluation, and what they see of one set of images."""

from collections.abc import Collection

import torch
from torch import Tensor

from pqgan.engine import processes
from pqgan.evaluate.metrics.frechet import Moments
from pqgan.records import FeatureNetwork
from pqgan.settings.evaluation import Features
from pqgan.settings.readings import MetricsReading
from pqgan.tokenizer.perceptual import Perceptual
from pqgan.weights import locate
from pqgan.weights.catalogue import Weights

from .clip import Clip, published
from .feature_rows import Rows
from .inception import RESIZES, Inception, Resize


class Networks:
    """The feature networks of one process, built once for all sets.

    Args:
        features: which, and with what weights.
        reading: its headline LPIPS backbone is measured even where the features do not list it.
        device: that they compute on.
        without: metrics that nobody will ask for, of lpips, rfid (all that look through InceptionV3) and cmmd; their
            networks are left out.

    Raises:
        ResourceError: published weights are wanted and not to be had; all that are missing are named.
        DataError: a file of weights is damaged or another.
    """

    def __init__(
        self, features: Features, reading: MetricsReading, device: torch.device, *, without: Collection[str] = ()
    ):
        self.device = device
        self.without = frozenset(without)
        locate.require(needed(features, reading, without))
        self.inception = None if "rfid" in without else Inception(features).to(device)
        self.clip = None if "cmmd" in without else Clip(features).to(device)
        self.lpips = {net: Perceptual(features, net).to(device) for net in _backbones(features, reading, without)}

    def sources(self) -> dict[str, FeatureNetwork]:
        """By label, as metrics.json keeps them."""
        return {network.label: network.source for network in (*self.of_sets(), *self.lpips.values())}

    def of_sets(self) -> list[Inception | Clip]:
        """Those that see one image at a time, whose features of a set can be kept."""
        return [network for network in (self.inception, self.clip) if network is not None]


def needed(features: Features, reading: MetricsReading, without: Collection[str] = ()) -> list[str | Weights]:
    """The published weights behind the networks of an evaluation, as pqgan.weights.catalogue knows them."""
    names: list[str | Weights] = []
    if features.weights == "pretrained":
        names += [] if "rfid" in without else ["inception"]
        names += _backbones(features, reading, without)
    if features.clip.source == "hub" and "cmmd" not in without:
        names.append(published(features.clip))
    return names


def _backbones(features: Features, reading: MetricsReading, without: Collection[str]) -> list[str]:
    return [] if "lpips" in without else list(dict.fromkeys((reading.lpips, *features.lpips)))


class SetFeatures:
    """What FID and CMMD see of one set of images, batch by batch.

    Args:
        networks: to look through.
        rows: resize whose single features are kept, for metrics that compare neighbours; none where None.
    """

    def __init__(self, networks: Networks, rows: Resize | None = None):
        self.networks = networks
        self.kept = rows
        seen, embedded = (network.dimension if network else 0 for network in (networks.inception, networks.clip))
        self.moments = {resize: Moments(seen, networks.device) for resize in (RESIZES if seen else ())}
        self._embeddings = {way: Rows(embedded, networks.device) for way in ((True, False) if embedded else ())}
        self._rows = Rows(seen, networks.device)
        self.n = 0

    def update(self, images: Tensor) -> None:
        """Add images (B, 3, H, W) in [-1, 1]."""
        # unrounded: torchmetrics' protocol floors what clean-fid's rounds
        for resize, moments in self.moments.items():
            features = self.networks.inception(images, resize)  # (B, 2048)
            moments.update(features)
            if resize == self.kept:
                self._rows.update(features)
        for antialias, kept in self._embeddings.items():
            kept.update(self.networks.clip(images, antialias))
        self.n += len(images)

    def over_processes(self) -> "SetFeatures":
        """Those of all processes together, in the order of their images; each of them has to ask."""
        whole = SetFeatures(self.networks, self.kept)
        whole.moments = {resize: moments.over_processes() for resize, moments in self.moments.items()}
        for antialias, kept in self.embeddings.items():
            whole._embeddings[antialias].update(processes.cat(kept))
        whole._rows.update(processes.cat(self.rows))
        whole.n = int(processes.cat(torch.tensor([self.n], device=self.networks.device)).sum())
        return whole

    @property
    def embeddings(self) -> dict[bool, Tensor]:
        """Whether the resize is antialiased -> (n, D) float32 of unit length."""
        return {antialias: kept.whole() for antialias, kept in self._embeddings.items()}

    @property
    def rows(self) -> Tensor:
        """(n, 2048) float32; empty where none are kept."""
        return self._rows.whole()
