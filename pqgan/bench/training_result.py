"""What `pqgan bench train` found of one configuration, and the figures that follow from it."""

from dataclasses import dataclass, field
from statistics import mean, median, quantiles
from typing import Any

SECTIONS = ("generator", "discriminator", "perceptual loss", "adaptive weight")


@dataclass
class Measured:
    """Seconds a step, bytes, floating-point operations a step."""

    batch: int
    """Images a step."""
    alone: list[float] = field(default_factory=list)
    """Our steps, one after the other, data included."""
    waiting: list[float] = field(default_factory=list)
    """For the batch of each of them."""
    sections: dict[str, float] = field(default_factory=dict)
    """All of them together, by section."""
    quantiser: list[float] = field(default_factory=list)
    """Forward and backward by itself, on the latents of a batch; empty for tokenizers without a ProductQuantiser."""
    ours: list[float] = field(default_factory=list)
    """Our steps while taking turns with the reference; empty without it."""
    reference: list[float] = field(default_factory=list)
    memory: dict[str, int] = field(default_factory=dict)
    """Peak, of `ours` and `reference`."""
    flops: dict[str, int] = field(default_factory=dict)
    """Likewise."""

    def figures(self) -> dict[str, Any]:
        """By variant its speed; then the ratio of both and the shares of our step."""
        found: dict[str, Any] = {"ours": self._speed("ours", self.ours or self.alone)}
        if self.reference:
            found["reference"] = self._speed("reference", self.reference)
            found["ratio"] = median(self.reference) / median(self.ours)
        found["alone"] = spread(self.alone)
        return found | {"shares": self._shares()}

    def _speed(self, whose: str, seconds: list[float]) -> dict[str, Any]:
        return {
            "images_per_second": self.batch / median(seconds),
            "seconds": spread(seconds),
            "tflops": self.flops[whose] / median(seconds) / 1e12,
            "flops": self.flops[whose],
            "peak_memory_bytes": self.memory.get(whose),
        }

    def _shares(self) -> dict[str, float | None]:
        total = sum(self.alone)
        shares = {"data": sum(self.waiting) / total} | {name: self.sections[name] / total for name in SECTIONS}
        shares["rest"] = 1 - sum(shares.values())
        # the quantiser's time is a part of the generator's
        return shares | {"quantiser": median(self.quantiser) / median(self.alone) if self.quantiser else None}


def spread(seconds: list[float]) -> dict[str, Any]:
    """Median, mean, quartiles, extremes, and all of them."""
    low, _, high = quantiles(seconds, method="inclusive") if len(seconds) > 1 else seconds * 3
    return {
        "median": median(seconds),
        "mean": mean(seconds),
        "quartiles": [low, high],
        "extremes": [min(seconds), max(seconds)],
        "all": seconds,
    }
