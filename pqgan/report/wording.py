"""What captions say of scale, counts, protocols and feature networks; tables and figures share it."""

from collections.abc import Iterable, Mapping

from pqgan.metrics import METRICS
from pqgan.records import Measurement, Record
from pqgan.settings import Settings
from pqgan.settings.names import BASELINE

from .formats import count

STABLE_DIFFUSION_VAE = f"{BASELINE} VAE"
LINEAR = (
    "PCA + PQ, linear: not in the paper. Principal components of the training images' patches, product-quantised by "
    "k-means, and the transpose to decode: no network, no gradient (linear-f...; PCA + VQ with S=1)."
)
PATHS = {
    "linear": "with a linear path around the trunk",
    "linear_alone": "with a linear path and its refinement in the trunk's place",
}
"""Shortcut of the settings -> what a reader is told."""
UNTRAINED = "untrained"
"""Of seeded weights that no training has seen."""


def autoencoder(settings: Settings, record: Record) -> str:
    """What a continuous tokenizer is called; what has not been trained is called so."""
    subject = record.subject
    if "published" in subject:
        return subject["method"]
    if subject["stage"] != "backbone":
        return "KL autoencoder"
    backbone = settings.scale.adapt.backbone
    if backbone.source == "seeded":
        return f"{UNTRAINED} VAE"
    return STABLE_DIFFUSION_VAE if backbone.published_vae else f"VAE of {backbone.model}"


def listed(words: Iterable[object]) -> str:
    """a, b and c; each once, in order."""
    words = list(dict.fromkeys(map(str, words)))
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def run_of(settings: Settings) -> str:
    """Which run this is."""
    return f"scale ‘{settings.name}’, reading ‘{settings.reading_name}’"


def caption(*parts: str) -> str:
    """Sentences in a row, empty ones left out."""
    return " ".join(filter(None, parts))


def headline(
    records: Iterable[Record], metrics: Iterable[str], on: Iterable[str | None] = (None,)
) -> list[Measurement]:
    """The headline measurements of some metrics, on some sets."""
    places = [(metric, role) for role in on for metric in metrics]
    found = (record.get(metric, on=role) for record in records for metric, role in places)
    return [measurement for measurement in found if measurement is not None]


def random_networks(measurements: Iterable[Measurement]) -> list[str]:
    """Feature networks without trained weights."""
    networks = dict.fromkeys(item.network for item in measurements if item.network)
    return [network for network in networks if "random" in network.lower()]


def counts(measurements: Iterable[Measurement]) -> str:
    """How many images, samples or repeats are behind the values: `48` or `24 to 48`."""
    numbers = sorted({item.n for item in measurements}) or [0]
    return count(numbers[0]) if len(numbers) == 1 else f"{count(numbers[0])} to {count(numbers[-1])}"


def protocols(measurements: Iterable[Measurement]) -> list[str]:
    """How each metric was computed and through which network; a sentence for metrics that share it."""
    ways: dict[str, dict[str, None]] = {}
    for item in measurements:
        how = f"{item.protocol}, through {item.network}" if item.network else item.protocol
        ways.setdefault(item.metric, {})[how] = None
    metrics: dict[str, list[str]] = {}
    for metric, found in ways.items():
        metrics.setdefault(" or ".join(found), []).append(METRICS[metric].label)
    return [f"{listed(names)}: {how}." for how, names in metrics.items()]


def networks(measurements: Iterable[Measurement]) -> str:
    """What a reader has to know of the feature networks before comparing; empty where they are the published ones."""
    measurements = list(measurements)
    if not any(item.network for item in measurements):
        return "No feature networks are involved."
    affected = [item for item in measurements if random_networks([item])]
    if not affected:
        return ""
    names = listed(METRICS[item.metric].label for item in affected)
    return f"The feature networks have random weights: measured {names} numbers are not comparable with the paper's."


def shortcut(kinds: Mapping[int, str]) -> str:
    """What a reader has to know of tokenizers with a linear path, F -> kind; empty where there is none."""
    said = []
    for kind, words in PATHS.items():
        if named := listed(f"F={factor}" for factor, own in kinds.items() if own == kind):
            said.append(f"Product-quantised tokenizers of {named}: {words}, which is no part of the paper.")
    return " ".join(said)


def footer(settings: Settings, *facts: str, measurements: Iterable[Measurement] = ()) -> str:
    """The small print inside a figure."""
    random = "random feature networks: not comparable with the paper" if random_networks(measurements) else ""
    kinds = {trunk.shortcut for trunk in settings.scale.tokenizer.trunks.values()}
    paths = [f"{words}: not in the paper" for kind, words in PATHS.items() if kind in kinds]
    return " · ".join(filter(None, (f"scale {settings.name}", *facts, random, *paths)))
