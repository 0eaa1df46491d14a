"""The table of `pqgan evaluate`: what its metrics.json holds, for people."""

import math
import textwrap
from collections.abc import Iterable

from pqgan.data.pixels import told
from pqgan.metrics import METRICS
from pqgan.records import FeatureNetwork, Measurement, Record

WIDTH = 120
COLUMNS = {"metric": 11, "value": 9, "95% interval": 20, "n": 6, "protocol": 42, "network": 22}
"""Title -> width; with two spaces between them, WIDTH."""
RIGHT = ("value", "n")
TRAINED = {"crop": "crops", "squash": "squashed images"}
"""Geometry -> what a model saw in its training."""


def table(record: Record) -> str:
    """Headlines, the other ways to compute them, and what a reader has to know of both.

    Args:
        record: of `pqgan evaluate`, whose provenance has entries model, images, generated and left_out.
    """
    headlines = [item for item in record.measurements if item.headline]
    others = [item for item in record.measurements if not item.headline]
    blocks = [
        _about(record),
        [*_row(list(COLUMNS)), *_rows(headlines)],
        ["the same by other protocols:", *_rows(others)] if others else [],
        _caption(record),
    ]
    return "\n\n".join("\n".join(lines) for lines in blocks if lines)


def _about(record: Record) -> list[str]:
    """Model and images."""
    about, lines = record.subject, []
    if model := record.provenance.get("model"):
        lines += _wrapped("model:", f"{record.name} ({_what(about)}); {_source(FeatureNetwork(**model))}")
    for role in ("generated", "images"):
        if seen := record.provenance.get(role):
            lines += _wrapped(f"{role}:", _set(seen))
    return lines


def _what(about: dict) -> str:
    if about["kind"] == "codec":
        return "{method}, quality {quality}, {subsampling}".format(**about, **about["encoded"]["images"])
    codes = f", S={about['S']}, K={about['K']}" if "K" in about else ""
    trained = f", trained on {TRAINED[about['trained_geometry']]}" if "trained_geometry" in about else ""
    return f"{about['kind']}, F={about['F']}, d={about['d']}{codes}, {about['parameters']:,} parameters{trained}"


def _set(seen: dict) -> str:
    how = {"crop": "a square from the centre of each", "squash": "both sides brought there"}[seen["geometry"]]
    of_all = f" of {seen['found']}, spread evenly" if seen["found"] > seen["n"] else ""
    # records of before colours were converted have no such counts
    profiles = told(seen.get("converted", 0), seen.get("profiles_ignored", 0))
    copies = f"; copies of others among them: {seen['copies']}" if seen["copies"] else ""
    others = f"; {seen['others']} other file{'s' * (seen['others'] > 1)} skipped" if seen["others"] else ""
    return f"{seen['folder']}: {seen['n']} images{of_all}, {seen['size']} px ({how}){copies}{profiles}{others}"


def _rows(measurements: Iterable[Measurement]) -> list[str]:
    return [line for item in measurements for line in _row(_cells(item))]


def _cells(item: Measurement) -> list[str]:
    ends = ""
    if item.interval is not None:
        ends = " to ".join(_number(end, like=item.value) for end in item.interval)
    unit = f", {item.unit}" if item.unit in ("dB",) else ""
    name = _name(item.metric) + unit
    network, random, _ = (item.network or "").removesuffix(", pretrained").partition(", random weights")
    return [name, _number(item.value), ends, str(item.n), item.protocol, f"{network} (random)" if random else network]


def _row(cells: list[str]) -> list[str]:
    """A row, of several lines where a cell needs them."""
    columns = [
        textwrap.wrap(cell, width, break_on_hyphens=False) or [""]
        for cell, width in zip(cells, COLUMNS.values(), strict=True)
    ]
    lines = []
    for number in range(max(map(len, columns))):
        line = []
        for (title, width), column in zip(COLUMNS.items(), columns, strict=True):
            text = column[number] if number < len(column) else ""
            line.append(text.rjust(width) if title in RIGHT else text.ljust(width))
        lines.append("  ".join(line).rstrip())
    return lines


def _number(value: float, like: float | None = None) -> str:
    """Four digits of a value; of another, as many decimals as that has."""
    scale = abs(value if like is None else like)
    if not math.isfinite(value):
        return str(value)
    if not math.isfinite(scale) or scale == 0:
        return f"{value:.4g}"
    if scale < 1e-3:
        return f"{value:.2e}"
    return f"{value:.{max(0, 3 - math.floor(math.log10(scale)))}f}"


def _caption(record: Record) -> list[str]:
    lines = []
    if any(not network.files for network in record.networks.values()):
        shown = ", ".join(dict.fromkeys(_name(item.metric) for item in record.measurements if item.network))
        lines += _wrapped(
            "note:", f"not comparable with any other numbers: {shown} (feature networks with random weights)"
        )
    deficient = dict.fromkeys(_name(item.metric) for item in record.measurements if "rank-deficient" in item.protocol)
    if deficient:
        lines += _wrapped(
            "note:",
            f"{', '.join(deficient)} of so few images has a singular covariance and is biased upwards; compare it with "
            "none of another number of images",
        )
    trained, seen = record.subject.get("trained_geometry"), record.provenance.get("images", {}).get("geometry")
    if trained and seen and trained != seen:
        lines += _wrapped("note:", f"the model was trained on {TRAINED[trained]}; --geometry {trained} measures it so")
    for metric, why in record.provenance.get("left_out", {}).items():
        lines += _wrapped("note:", f"no {_name(metric)}: {why}")
    for label, source in record.networks.items():
        lines += _wrapped("network:", f"{label}: {_source(source)}")
    lines += _wrapped("computed:", f"on {record.device}, in {record.dtype}, in {record.seconds:.1f} s")
    return lines


def _name(metric: str) -> str:
    """What a metric is called; what is no metric of the table, such as one backbone of LPIPS, keeps its name."""
    about = METRICS.get(metric)
    return (about.short or about.label) if about else metric


def _source(source: FeatureNetwork) -> str:
    files = ", ".join(f"{name} (sha256 {digest[:12]})" for name, digest in source.files.items())
    return f"{source.origin}{f', {files}' if files else ''}"


def _wrapped(label: str, text: str) -> list[str]:
    """Text of any length beside its label."""
    indent = " " * 11
    return textwrap.wrap(text, WIDTH, initial_indent=f"{label:<11}", subsequent_indent=indent, break_on_hyphens=False)
