"""Every metric once: what it is called, its unit, which direction is better, how many digits it bears, how it is told.

A metric is added here and in the module that measures it: records, tables, captions, the selection and `pqgan evaluate`
follow.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True)
class Metric:
    """What is known of a metric before it is measured."""

    label: str
    """In tables and sentences."""
    unit: str = ""
    better: Literal["up", "down", ""] = ""
    """Empty: neither direction is better in itself."""
    places: int | None = None
    """Decimals; None: `significant` digits instead."""
    significant: int = 3
    ratio: bool = False
    """Whether values are positive, and compared and drawn by their logarithms."""
    share: Literal["", "fraction", "percent"] = ""
    """Whether it is a share of a whole, drawn from 0 to 1, or printed in percent, its differences in points."""
    quality: bool = False
    """Whether tables of reconstructions have a column of it, and a selection may go by it."""
    network: Literal["", "lpips", "inception", "clip"] = ""
    """Feature network that it looks through."""
    symbol: str = ""
    """On axes of figures, as TeX; empty: the label."""
    short: str = ""
    """In the narrow table of `pqgan evaluate`; empty: the label."""
    ways: Mapping[str, str] = field(default_factory=dict)
    """Way to compute it, as readings name it -> the words of its protocol. Others are told by what measures, as they
    depend on its networks, images or machine.
    """

    @property
    def axis(self) -> str:
        """PSNR [dB] with an arrow towards better values."""
        arrow = {"up": " ↑", "down": " ↓", "": ""}[self.better]
        return (self.symbol or self.label) + (f" [{self.unit}]" if self.unit else "") + arrow


USAGE = {"mean_over_subspaces": "mean over subspaces", "concatenated": "one histogram of all S*K codewords"}

METRICS = {
    # of reconstructions
    "psnr": Metric(
        "PSNR",
        unit="dB",
        better="up",
        places=1,
        quality=True,
        ways={"mean": "mean over images, 8-bit images", "pooled": "of the pooled squared error, 8-bit images"},
    ),
    "ssim": Metric("SSIM", better="up", places=4),
    "rfid": Metric("rFID", better="down", ratio=True, quality=True, network="inception"),
    "cmmd": Metric("CMMD", better="down", places=3, ratio=True, quality=True, network="clip"),
    "lpips": Metric(
        "LPIPS",
        better="down",
        places=4,
        ratio=True,
        quality=True,
        network="lpips",
        ways={"mean": "LPIPS 0.1, mean over images, 8-bit images"},
    ),
    # of generated images
    "gfid": Metric("gFID", better="down", significant=4, ratio=True, network="inception"),
    "kid": Metric("KID", better="down", places=4, network="inception"),
    "precision": Metric("Precision", better="up", places=3, network="inception"),
    "recall": Metric("Recall", better="up", places=3, network="inception"),
    # of codes
    "H_n": Metric("H_n", places=3, share="fraction", symbol="$H_n$", ways=USAGE),
    "P_n": Metric("P_n", places=3, share="fraction", symbol="$P_n$", ways=USAGE),
    "H_n_min": Metric("H_n, least", places=3, share="fraction", ways={"least": "least used subspace"}),
    "dead_codes": Metric("dead codes", share="fraction", ways={"share": "share of codewords never used"}),
    "bits_per_pixel": Metric(
        "bits/pixel",
        unit="bit",
        ways={
            "codes": "as stored: S ceil(log2 K) / F^2",
            "bytes": "as stored: a byte a latent channel, 8 d / F^2",
            "files": "as stored: files with their headers, mean over images",
        },
    ),
    "entropy_bits_per_pixel": Metric(
        "entropy/px",
        unit="bit",
        ways={
            "codes": "sum over subspaces of the entropy of their codes on this set / F^2",
            "bytes": "sum over channels of the entropy of their bytes on this set / F^2",
        },
    ),
    # of time and memory
    "images_per_second": Metric("Speed", unit="1/s", better="up", ratio=True, short="images/s"),
    "unet_seconds": Metric("U-Net", unit="s", better="down", ratio=True),
    "decode_seconds": Metric("Decoder", unit="s", better="down"),
    "memory_gb": Metric("Memory", unit="GB", better="down", ratio=True),
    # of the search for codewords
    "seconds_with": Metric("With the quantiser", unit="s", better="down"),
    "seconds_without": Metric("Without", unit="s", better="down"),
    "overhead": Metric("Overhead", better="down", share="percent"),
    "quantiser_seconds": Metric("Quantiser", unit="s", better="down", ratio=True),
    "matching_overhead": Metric("Matching overhead", better="down", share="percent"),
    "matching_seconds": Metric("Matching", unit="s", better="down"),
    "matching_memory": Metric("Matching memory", unit="bytes", better="down"),
    "wrong_codes": Metric("Wrong codes", better="down", share="fraction"),
}
"""Name in records and settings -> what is known of it."""

QUALITY = tuple(name for name, metric in METRICS.items() if metric.quality)
"""Metrics of tables of reconstructions, in the order of the paper's Table 1."""
LEAVABLE = tuple(name for name in QUALITY if METRICS[name].network)
"""Those that an evaluation may leave out, whose networks it then does not need."""
