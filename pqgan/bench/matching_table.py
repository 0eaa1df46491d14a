"""The table of `pqgan bench matching`."""

from collections.abc import Callable, Sequence

from pqgan.records import Measurement, Record

from .matching_overhead import OURS
from .other_libraries import FAISS, FULL, VQP, WAYS

SEARCH_METRICS = ("matching_seconds", "wrong_codes", "matching_memory")
RECONSTRUCTION_METRICS = ("seconds_without", "seconds_with", "overhead", "quantiser_seconds", "matching_overhead")


def table(record: Record) -> str:
    """Lines for people, of the numbers that metrics.json holds."""
    heading = f"{record.device}; medians of runs that take turns in one process"
    blocks = [[heading], _searches(record), _reconstructions(record), _left_out(record)]
    return "\n\n".join("\n".join(lines) for lines in blocks if lines)


def _searches(record: Record) -> list[str]:
    """A line for each way, a column for each case."""
    found = {metric: {} for metric in SEARCH_METRICS}
    for item in record.measurements:
        if item.metric in found:
            found[item.metric][_case(item), item.conditions["way"]] = item.value
    seconds, wrong, memory = found.values()
    cases = list(dict.fromkeys(case for case, _ in seconds))
    if not cases:
        return []
    ways = [way for way in WAYS if any((case, way) in seconds for case in cases)]
    ours = record.subject["backend"]

    def block(title: str, values: dict, show: Callable[[float], str]) -> list[tuple[str, ...]]:
        cells = [
            (f"  {way}", *(show(values[case, way]) if (case, way) in values else "-" for case in cases)) for way in ways
        ]
        return [(title, *[""] * len(cases)), *cells] if values else []

    def ratio(title: str, peers: Sequence[str]) -> tuple[str, ...]:
        best = [min((seconds[case, way] for way in peers if (case, way) in seconds), default=None) for case in cases]
        own = [seconds[case, ours] for case in cases]
        return (title, *("-" if peer is None else f"{peer / mine:.2f}" for peer, mine in zip(best, own, strict=True)))

    lines = [
        ("d/S/K", *("/".join(map(str, case)) for case in cases)),
        ("channels a subspace", *(str(case[0] // case[1]) for case in cases)),
        *block(f"nearest codes of {record.subject['positions']} positions, ms", seconds, _ms),
        (f"time over that of ours, {ours}", *[""] * len(cases)),
        ratio("  best of faiss", list(FAISS)),
        ratio("  best of vector-quantize-pytorch", list(VQP)),
        ratio("  full distances", [FULL]),
        *block("codes that are not the nearest", wrong, lambda share: f"{share:.1e}" if share else "0"),
        *block("memory added, MB", memory, lambda held: f"{held / 1e6:.1f}"),
    ]
    return _aligned(lines)


def _reconstructions(record: Record) -> list[str]:
    """A line for each batch size and configuration."""
    found: dict[tuple, dict] = {}
    for item in record.measurements:
        if item.metric in RECONSTRUCTION_METRICS:
            values = found.setdefault((item.conditions["batch"], _case(item)), {})
            values[item.metric, item.conditions.get("way")] = item.value
    if not found:
        return []
    each = ("added", "alone", "share")
    lines = [("batch", "d/S/K", "without", "with ours", *each, "with all distances", *each)]
    for (batch, case), values in sorted(found.items(), key=lambda each: each[0][0]):
        cells = [_ms(values["seconds_without", None])]
        for way in (OURS, FULL):
            added = f"{values['overhead', way]:+.1%}"
            share = f"{values['matching_overhead', way]:.1%}"
            cells += [_ms(values["seconds_with", way]), added, _ms(values["quantiser_seconds", way]), share]
        lines.append((str(batch), "/".join(map(str, case)), *cells))
    about = record.subject
    protocols = {item.metric: item.protocol for item in record.measurements}
    return [
        f"reconstruction of a batch with and without its quantiser, ms; F = {about['F']}, {about['resolution']} px",
        *_aligned(lines),
        f"added: {protocols['overhead']}",
        f"share: {protocols['matching_overhead']}",
        "alone: the quantiser by itself; all distances: held at a time, a subspace after the other",
    ]


def _left_out(record: Record) -> list[str]:
    """A line for each way and reason."""
    lines = []
    for item in record.subject["left_out"]:
        everywhere = len(item["cases"]) == record.subject["searches"]
        where = "" if everywhere else " in " + ", ".join("{d}/{S}/{K}".format(**case) for case in item["cases"])
        lines.append(f"left out: {item['way']}{where}: {item['why']}")
    return lines


def _case(item: Measurement) -> tuple[int, int, int]:
    """d, S, K."""
    return item.conditions["d"], item.conditions["S"], item.conditions["K"]


def _ms(seconds: float) -> str:
    return f"{seconds * 1e3:.{2 if seconds < 0.01 else 1 if seconds < 1 else 0}f}"


def _aligned(lines: Sequence[Sequence[str]]) -> list[str]:
    first, *rest = ([len(cell) for cell in column] for column in zip(*lines, strict=True))
    widths = [max(column) for column in rest]
    aligned = (
        [f"{label:<{max(first)}}", *(f"{cell:>{width}}" for cell, width in zip(cells, widths, strict=True))]
        for label, *cells in lines
    )
    return ["  ".join(cells).rstrip() for cells in aligned]
