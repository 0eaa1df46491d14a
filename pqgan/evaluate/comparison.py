"""Everything that is measured between a set of images and their reconstructions, accumulated batch by batch."""

import math
from functools import partial
from typing import Any

import torch
from torch import Tensor

from pqgan.engine import processes
from pqgan.engine.timed_parts import timed_part
from pqgan.evaluate.metrics.cmmd import PROTOCOL as CMMD_PROTOCOL
from pqgan.evaluate.metrics.cmmd import cmmd
from pqgan.evaluate.metrics.frechet import frechet_distance, sample_note
from pqgan.evaluate.metrics.ssim import LEAST_SIDE, ssim
from pqgan.evaluate.metrics.ssim import PROTOCOL as SSIM_PROTOCOL
from pqgan.evaluate.networks.inception import RESIZES
from pqgan.evaluate.networks.pixels import to_float, to_uint8
from pqgan.evaluate.networks.set_features import Networks, SetFeatures
from pqgan.metrics import METRICS
from pqgan.quantise.usage import Usage
from pqgan.records import Measurement
from pqgan.settings.readings import MetricsReading
from pqgan.subjects import stored_as, stored_bits
from pqgan.tokenizer.perceptual import LEAST_SIDE as LEAST_SIDE_OF
from pqgan.tokenizer.perceptual import NAMES

from .metrics import bootstrap, psnr
from .original_features import Reference

LEAST_IMAGES = 2
"""Of a covariance, and so of rFID."""


class Comparison:
    """Originals against reconstructions, of one set.

    Args:
        networks: feature networks, shared between sets.
        reading: which way to compute a metric is the headline.
        subject: the tokenizer's: what it stores of an image (pqgan.subjects.stored_as) is counted.
        reference: features of the originals; where None they are computed in passing, and kept in `originals`.
    """

    def __init__(
        self, networks: Networks, reading: MetricsReading, subject: dict[str, Any], reference: Reference | None = None
    ):
        self.networks, self.reading, self.subject, self.reference = networks, reading, subject, reference
        self.originals = None if reference else SetFeatures(networks, reading.fid)
        self.reconstructions = SetFeatures(networks)
        # by metric, a tensor (B,) for each batch
        self._each: dict[str, list[Tensor]] = {name: [] for name in ("errors", "ssim", "bits", *networks.lpips)}
        stored = stored_as(subject)
        self.usage = Usage(*stored, networks.device) if stored else None

    def update(self, originals: Tensor, reconstructions: Tensor, stored: Tensor | None) -> None:
        """Add pairs of images (B, 3, H, W) in [-1, 1], and what is stored between them.

        That is codes or bytes (B, S, h, w), bits a pixel (B,) of a codec's files, or None.
        """
        with timed_part("pixels"):
            levels = [to_uint8(images) for images in (originals, reconstructions)]
            self._each["errors"].append(psnr.squared_errors(*levels))
            if min(originals.shape[2:]) >= LEAST_SIDE:
                self._each["ssim"].append(ssim(*levels))
        with timed_part("perceptual"):
            pair = [to_float(images) for images in levels]
            for net, perceptual in self.networks.lpips.items():
                if min(originals.shape[2:]) >= LEAST_SIDE_OF[net]:
                    self._each[net].append(perceptual(*pair))
        with timed_part("features"):
            self.reconstructions.update(reconstructions)
        if self.originals is not None:
            with timed_part("features of the originals"):
                self.originals.update(originals)
        if self.usage is not None:
            with timed_part("usage"):
                self.usage.update(stored)
        elif stored is not None:
            self._each["bits"].append(stored)

    def over_processes(self) -> "Comparison":
        """Of all processes together, in the order of their images; each of them has to ask."""
        if processes.count() == 1:
            return self
        whole = Comparison(self.networks, self.reading, self.subject, self.reference)
        whole.originals = self.originals and self.originals.over_processes()
        whole.reconstructions = self.reconstructions.over_processes()
        whole._each = {name: [processes.cat(self._of_images(name))] for name in self._each}
        whole.usage = self.usage and self.usage.over_processes()
        return whole

    def _of_images(self, name: str) -> Tensor:
        empty = torch.zeros(0, dtype=torch.float64, device=self.networks.device)
        return torch.cat([empty, *(values.double() for values in self._each[name])])

    @property
    def n(self) -> int:
        return self.reconstructions.n

    def measurements(self, role: str) -> list[Measurement]:
        """The results on the set that plays a role."""
        rows = [*self._psnr(), *self._ssim(), *self._lpips(), *self._distributions(), *self._usage()]
        return [Measurement(on=role, n=self.n, unit=METRICS[row["metric"]].unit, **row) for row in rows]

    def _psnr(self) -> list[dict]:
        errors = self._of_images("errors")
        exact, left_out = psnr.exact(errors), ""
        if exact:
            left_out = "; all images exact" if exact == self.n else f"; {exact} exact images left out"
        finite = psnr.each(errors)[errors > 0]
        pooled = bootstrap.interval(errors)
        words = METRICS["psnr"].ways
        rows = {
            "mean": {
                "value": psnr.mean(errors),
                "protocol": words["mean"] + left_out,
                "interval": bootstrap.interval(finite),
            },
            "pooled": {
                "value": psnr.pooled(errors),
                "protocol": words["pooled"],
                # PSNR falls as the error grows: the ends of one interval are those of the other
                "interval": pooled and tuple(psnr.each(torch.tensor(pooled[::-1])).tolist()),
            },
        }
        headline = self.reading.psnr
        return [{"metric": "psnr", **row, "headline": way == headline} for way, row in rows.items()]

    def _ssim(self) -> list[dict]:
        values = self._of_images("ssim")
        if not len(values):  # of images too small for its window
            return []
        return [{"metric": "ssim", "protocol": SSIM_PROTOCOL, **_mean(values)}]

    def _lpips(self) -> list[dict]:
        values = {net: self._of_images(net) for net in self.networks.lpips}
        measured = [net for net in values if len(values[net])]  # not where images are too small for it
        headline = self.reading.lpips if self.reading.lpips in measured else next(iter(measured), None)
        return [
            {
                "metric": "lpips",
                "protocol": METRICS["lpips"].ways["mean"],
                "network": self.networks.lpips[net].label,
                "headline": net == headline,
                **_mean(values[net]),
            }
            for net in measured
        ]

    def left_out(self) -> dict[str, str]:
        """Metrics without a measurement here, and why; those of codes, which a tokenizer has or has not, apart."""
        found = dict.fromkeys(sorted(self.networks.without), "left out as asked")
        if self.n < LEAST_IMAGES and "rfid" not in found:
            found["rfid"] = f"needs at least {LEAST_IMAGES} images"
        if not any(map(len, self._each["ssim"])):
            found["ssim"] = f"needs images of at least {LEAST_SIDE} px"
        for net in self.networks.lpips:
            if not any(map(len, self._each[net])):
                found[f"LPIPS {NAMES[net]}"] = f"needs images of at least {LEAST_SIDE_OF[net]} px"
        return found

    def _distributions(self) -> list[dict]:
        inception, clip = self.networks.inception, self.networks.clip
        originals = self.reference or self.originals
        rows = [
            {
                "metric": "rfid",
                "value": frechet_distance(originals.moments[resize], moments),
                "protocol": RESIZES[resize] + sample_note(inception.dimension, self.n),
                "network": inception.label,
                "headline": resize == self.reading.fid,
            }
            for resize, moments in self.reconstructions.moments.items()
            if self.n >= LEAST_IMAGES
        ]
        distance = partial(cmmd, device=self.networks.device)
        rows += [
            {
                "metric": "cmmd",
                "value": distance(originals.embeddings[antialias], embeddings),
                "protocol": f"{CMMD_PROTOCOL}; {clip.resize(antialias)}",
                "network": clip.label,
                "headline": antialias == self.reading.cmmd_antialias,
            }
            for antialias, embeddings in self.reconstructions.embeddings.items()
        ]
        return rows

    def _usage(self) -> list[dict]:
        if self.usage is None:
            bits = self._of_images("bits")
            row = {"metric": "bits_per_pixel", "protocol": METRICS["bits_per_pixel"].ways["files"]}
            return [{**row, **_mean(bits)}] if len(bits) else []
        usage = self.usage
        symbols = "codes" if "K" in self.subject else "bytes"
        entropy = float(usage.entropies().sum()) / math.log(2) / self.subject["F"] ** 2
        bits = {"bits_per_pixel": stored_bits(self.subject), "entropy_bits_per_pixel": entropy}
        of_codes = self._use_of_codes(usage) if symbols == "codes" else []
        return [*of_codes, *(_by(metric, symbols, value) for metric, value in bits.items())]

    def _use_of_codes(self, usage: Usage) -> list[dict]:
        rows = [
            {**_by(metric, way, value(way)), "headline": way == self.reading.usage}
            for metric, value in (("H_n", usage.H_n), ("P_n", usage.P_n))
            for way in METRICS[metric].ways
        ]
        return [*rows, _by("H_n_min", "least", usage.H_n_min()), _by("dead_codes", "share", usage.dead_codes())]


def _by(metric: str, way: str, value: float | None) -> dict:
    """A metric by one of its ways."""
    return {"metric": metric, "value": value, "protocol": METRICS[metric].ways[way]}


def _mean(values: Tensor) -> dict:
    """Value and interval of a mean over images."""
    return {"value": float(values.mean()), "interval": bootstrap.interval(values)}
