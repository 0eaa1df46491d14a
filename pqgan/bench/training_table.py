"""The table of `pqgan bench train`."""

from collections.abc import Sequence
from typing import Any

from .training_result import SECTIONS

VARIANTS = {"ours": "pqgan", "reference": "reference"}


def table(result: dict[str, Any]) -> str:
    """Lines for people, of the result that the JSON file holds: a column for each configuration and variant."""
    columns = []
    for name, figures in result["configurations"].items():
        for variant in VARIANTS:
            if variant in figures:
                columns.append(_column(name, variant, figures, result["peak"][variant]))
    rows = [(label, *(column[label] for column in columns)) for label in columns[0]]
    rows = [row for row in rows if any(cell not in ("", "-") for cell in row[1:])]
    return "\n".join([*_heading(result["protocol"]), "", *_aligned(rows), "", *_notes(result)])


def _heading(protocol: dict[str, Any]) -> list[str]:
    extras = "".join(f", {name}" for name in ("compile", "channels_last") if protocol[name])
    return [
        f"{protocol['device']}, {protocol['precision']}{extras}; batch {protocol['batch']}, "
        f"{protocol['resolution']} px; {protocol['data']}",
        f"medians of {protocol['steps']} steps after {protocol['warm_up']} of warm-up, discriminator playing"
        + ("; pqgan and reference take turns in one process" if protocol["reference"] else ""),
    ]


def _column(name: str, variant: str, figures: dict[str, Any], peak: dict[str, Any]) -> dict[str, str]:
    speed, ours = figures[variant], variant == "ours"
    low, high = speed["seconds"]["quartiles"]
    flops, memory = speed["tflops"] * 1e12, speed["peak_memory_bytes"]
    column = {
        "": name if ours else "",
        "step": VARIANTS[variant],
        "images/s": f"{speed['images_per_second']:.2f}",
        "times the reference": f"{figures['ratio']:.2f}" if ours and "ratio" in figures else "",
        "ms a step": f"{speed['seconds']['median'] * 1e3:.1f}",
        "  quartiles": f"{low * 1e3:.1f}-{high * 1e3:.1f}",
        "TFLOP/s": f"{speed['tflops']:.3g}",
        "  share of the measured peak": f"{flops / peak['measured']:.1%}",
        "  share of the published peak": f"{flops / peak['published']:.1%}" if peak["published"] else "-",
        "peak memory, GB": f"{memory / 1e9:.2f}" if memory else "-",
    }
    shares = figures["shares"]
    alone = {
        "ms a step, by itself": f"{figures['alone']['median'] * 1e3:.1f}",
        "  waiting for data": _percent(shares["data"]),
        **{f"  {section}": _percent(shares[section]) for section in SECTIONS},
        "  rest": _percent(shares["rest"]),
        "  (quantiser)": _percent(shares["quantiser"]),
    }
    return column | (alone if ours else dict.fromkeys(alone, ""))


def _notes(result: dict[str, Any]) -> list[str]:
    protocol, peaks = result["protocol"], result["peak"]
    variants = list(VARIANTS) if protocol["reference"] else ["ours"]
    shown = ", ".join(
        f"{VARIANTS[variant]} {peaks[variant]['arithmetic']} {peaks[variant]['measured'] / 1e12:.3g} measured"
        + (f", {peaks[variant]['published'] / 1e12:.3g} published" if peaks[variant]["published"] else "")
        for variant in variants
    )
    return [
        f"peak TFLOP/s: {shown}; operations: matrix products and convolutions of a step, as torch counts them",
        f"memory: {protocol['memory']}; of the reference, what it adds",
        "generator, discriminator: forward, backward and optimiser; perceptual loss: with L1, forward and backward",
        "quantiser: forward and backward alone, on the same latents; a part of the generator's share",
        *([f"reference: {protocol['reference']}"] if protocol["reference"] else []),
    ]


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{share:.1%}"


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]).rstrip() for row in rows]
