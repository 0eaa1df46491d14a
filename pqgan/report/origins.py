"""Where the numbers of a report come from, in words and summed up over its results."""

from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from pqgan.settings import Settings

from . import formats, wording


def made_from(settings: Settings) -> str:
    """What the run is made from, in a sentence."""
    sets = settings.scale.data.sets
    sources = {"wheel_photos": "crops of photographs shipped with Python packages", "folder": "folders of images"}
    kinds = dict.fromkeys(sources[source.source] for source in sets.values())
    section = settings.scale.tokenizer
    configs = section.configs.values()
    fitted = sum(config.kind == "linear" for config in configs)
    steps = Counter(section.training_of(config).steps for config in configs if config.kind != "linear")
    trained = wording.listed(f"{count} tokenizers of {formats.count(each)} steps" for each, count in steps.items())
    at = f" planned, at {section.training.resolution} px" if steps else ""
    linear = f"{fitted} linear {'ones' if steps else 'tokenizers'} that are fitted" if fitted else ""
    planned = ", ".join(filter(None, (f"{trained}{at}", linear))) or "nothing is trained"
    return f"{' and '.join(kinds)}: {planned}"


def summed_up(jobs: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """What all results share, and each of them."""
    jobs = list(jobs)
    revisions = dict.fromkeys((job["git"]["revision"] or "unknown", job["git"]["modified"]) for job in jobs)
    packages: dict[str, dict[str, None]] = {}
    for job in jobs:
        for package, version in job["packages"].items():
            packages.setdefault(package, {})[version] = None
    finished = sorted(job["finished"] for job in jobs)
    return {
        "revisions": list(revisions),
        "packages": {package: ", ".join(versions) for package, versions in packages.items()},
        "devices": list(dict.fromkeys(job["device"] for job in jobs)),
        "first": finished[0] if finished else None,
        "last": finished[-1] if finished else None,
        "jobs": jobs,
    }


def moment(finished: str) -> str:
    """To the minute, in UTC."""
    return f"{datetime.fromisoformat(finished).astimezone(UTC):%Y-%m-%d %H:%M} UTC"
