"""Everything that is measured between a set of images and their reconstructions, accumulated batch by batch."""

import math
from typing import Any

import torch
from torch import Tensor

from pqgan.quantise.usage import Usage
from pqgan.records import Measurement
from pqgan.settings import Settings
from pqgan.tokenizer.perceptual import Perceptual

from .cmmd import PROTOCOL, cmmd
from .features import RESIZES, Clip, Inception
from .frechet import Moments, frechet_distance, sample_note
from .pixels import to_float, to_uint8
from .psnr import PSNR

READING_NAMES = {"mean_over_subspaces": "mean over subspaces", "concatenated": "one histogram of all S*K codewords"}


class Networks:
    """The feature networks of one process, built once for all sets."""

    def __init__(self, settings: Settings, target: torch.device):
        features, reading = settings.scale.evaluation.features, settings.reading.metrics
        self.inception = Inception(features).to(target)
        self.clip = Clip(features, reading.cmmd_antialias).to(target)
        # the reading's headline backbone is measured even where the scale does not list it
        backbones = dict.fromkeys((reading.lpips, *features.lpips))
        self.lpips = {net: Perceptual(features, net).to(target) for net in backbones}


class Comparison:
    """Originals against reconstructions, of one set.

    Args:
        settings: whose reading says which way to compute a metric is the headline.
        networks: feature networks, shared between sets.
        subject: the tokenizer's, with S and K where it is discrete.
    """

    def __init__(self, settings: Settings, networks: Networks, subject: dict[str, Any]):
        self.reading = settings.reading.metrics
        self.networks = networks
        self.subject = subject
        self.n = 0
        self.psnr = PSNR()
        self.distances: dict[str, list[Tensor]] = {net: [] for net in networks.lpips}
        self.moments = {resize: tuple(Moments(Inception.dimension) for _ in range(2)) for resize in RESIZES}
        self.embeddings: tuple[list[Tensor], list[Tensor]] = ([], [])
        self.usage = Usage(subject["S"], subject["K"]) if "K" in subject else None

    def update(self, originals: Tensor, reconstructions: Tensor, codes: Tensor | None) -> None:
        """Add pairs of images (B, 3, H, W) in [-1, 1], and the codes (B, S, h, w) between them."""
        self.n += len(originals)
        levels = [to_uint8(images) for images in (originals, reconstructions)]
        self.psnr.update(*levels)
        pair = [to_float(images) for images in levels]
        for net, perceptual in self.networks.lpips.items():
            self.distances[net].append(perceptual(*pair).cpu())
        # unrounded: torchmetrics' protocol floors what clean-fid's rounds
        both = torch.cat([originals, reconstructions])
        for resize, moments in self.moments.items():
            features = self.networks.inception(both, resize).chunk(2)
            for side in range(2):
                moments[side].update(features[side])
        for kept, embedded in zip(self.embeddings, self.networks.clip(both).chunk(2), strict=True):
            kept.append(embedded)
        if self.usage is not None:
            self.usage.update(codes)

    def measurements(self, role: str) -> list[Measurement]:
        """The results on the set that plays a role."""
        rows = [*self._psnr(), *self._lpips(), *self._distributions(), *self._usage()]
        return [Measurement(on=role, n=self.n, **row) for row in rows]

    def _psnr(self) -> list[dict]:
        exact = ""
        if self.psnr.exact:
            exact = "; all images exact" if self.psnr.exact == self.n else f"; {self.psnr.exact} exact images left out"
        ways = {
            "mean": (self.psnr.mean(), f"mean over images, 8-bit images{exact}"),
            "pooled": (self.psnr.pooled(), "of the pooled squared error, 8-bit images"),
        }
        return [
            {"metric": "psnr", "value": value, "unit": "dB", "protocol": protocol, "headline": way == self.reading.psnr}
            for way, (value, protocol) in ways.items()
        ]

    def _lpips(self) -> list[dict]:
        return [
            {
                "metric": "lpips",
                "value": float(torch.cat(self.distances[net]).double().mean()),
                "protocol": "LPIPS 0.1, mean over images, 8-bit images",
                "network": perceptual.label,
                "headline": net == self.reading.lpips,
            }
            for net, perceptual in self.networks.lpips.items()
        ]

    def _distributions(self) -> list[dict]:
        inception, clip = self.networks.inception, self.networks.clip
        rows = [
            {
                "metric": "rfid",
                "value": frechet_distance(*moments),
                "protocol": RESIZES[resize] + sample_note(inception.dimension, self.n),
                "network": inception.label,
                "headline": resize == self.reading.fid,
            }
            for resize, moments in self.moments.items()
        ]
        distance = cmmd(*(torch.cat(kept) for kept in self.embeddings))
        protocol = f"{PROTOCOL}; {clip.resize}"
        return [*rows, {"metric": "cmmd", "value": distance, "protocol": protocol, "network": clip.label}]

    def _usage(self) -> list[dict]:
        if self.usage is None:
            return []
        usage = self.usage
        rows = [
            {"metric": metric, "value": value(way), "protocol": words, "headline": way == self.reading.usage}
            for metric, value in (("H_n", usage.H_n), ("P_n", usage.P_n))
            for way, words in READING_NAMES.items()
        ]
        rows.append({"metric": "H_n_min", "value": usage.H_n_min(), "protocol": "least used subspace"})
        rows.append({"metric": "dead_codes", "value": usage.dead_codes(), "protocol": "share of codewords never used"})
        bits = usage.S * math.log2(usage.K) / self.subject["F"] ** 2
        rows.append({"metric": "bits_per_pixel", "value": bits, "unit": "bit", "protocol": "S log2(K) / F^2"})
        return rows
