"""Table 3: how fast the generators sample, and what they need."""

from collections.abc import Sequence

from pqgan.plan import Plan
from pqgan.records import Record
from pqgan.settings import Settings

from .. import contents, formats, wording
from ..results import Results
from .paper import paper_rows, times
from .table import MEASURED, REPORTED, SOURCE, Column, Group, Row, Table, measured, metric_column, row

METRICS = ("images_per_second", "unet_seconds", "decode_seconds", "memory_gb")
COLUMNS = [
    Column("generator", "Generator", numeric=False),
    Column("image_size", "Image size", "px"),
    Column("latent_resolution", "Latent resolution"),
    Column("F", "F"),
    Column("d", "d"),
    Column("images_per_second", "Samples/s", better="up"),
    metric_column("memory_gb"),
    # what the paper's table does not have
    Column("unet_seconds", "U-Net", "s/image", "down"),
    Column("decode_seconds", "Decoder", "s/image", "down"),
    Column("n", "n"),
    SOURCE,
]


def table3(settings: Settings, plan: Plan, results: Results) -> Table:
    """The paper's generators in its order, each above this run's of the same name, then this run's others."""
    return lay_out(settings, [results.record("speed", name) for name in plan.chapter("speed")])


def lay_out(settings: Settings, measured: Sequence[Record]) -> Table:
    """Table 3 of some records."""
    paper = {line["generator"]: line for line in paper_rows("table3")}
    records = {record.name: record for record in measured}
    groups = []
    for name in dict.fromkeys((*paper, *records)):
        rows = [_reported(paper[name])] if name in paper else []
        groups.append(Group("", rows + ([_measured(records[name])] if name in records else [])))
    behind = wording.headline(records.values(), METRICS)
    return Table(
        "table3",
        contents.ITEMS["table3"],
        wording.caption(
            f"Measured: this run, {wording.run_of(settings)}, n = {wording.counts(behind)} images a generator.",
            "Reported: the paper's own values, of one sample at a time on an A100 GPU with 50 sampling steps.",
            wording.networks(behind),
            *wording.protocols(behind),
        ),
        COLUMNS,
        groups,
        [
            *_weights_note(settings, measured),
            *_guidance_note(settings),
            "Image sizes differ between the generators, so no value is marked as the best.",
        ],
        behind,
    )


def _weights_note(settings: Settings, measured: Sequence[Record]) -> list[str]:
    """How large the U-Nets are, and whether anything was trained."""
    sizes = {record.subject["unet_parameters"] for record in measured if "unet_parameters" in record.subject}
    size = " to ".join(formats.millions(size) for size in sorted({min(sizes), max(sizes)})) if sizes else ""
    notes = [f"The U-Nets have {size} parameters."] if size else []
    if any(record.subject.get("weights") == "untrained" for record in measured):
        return [*notes, "Weights are seeded, not trained; time and memory depend on the shapes alone."]
    return [*notes, *backbone_note(settings)]


def _guidance_note(settings: Settings) -> list[str]:
    """What guidance does to a step; the paper does not say whether its times have it."""
    guidance = settings.reading.adaptation.guidance
    doubled = f"Guidance of {guidance:g} doubles the U-Net's batch: each step computes it with the prompt and without"
    return [f"{doubled} (reading 23)."] if guidance > 1 else []


def backbone_note(settings: Settings) -> list[str]:
    """That the backbone is not the published one, where it is not."""
    if settings.scale.adapt.backbone.source == "hub":
        return []
    return ["The backbone, SDv2.1 here, is a smaller model of the same classes with seeded random weights."]


def _measured(record: Record) -> Row:
    subject = record.subject
    return row(
        MEASURED,
        generator=record.name,
        image_size="{0}×{0}".format(subject["image_size"]),
        latent_resolution="{0}×{0}".format(subject["latent_size"]),
        F=subject["F"],
        d=subject["d"],
        n=wording.counts(wording.headline([record], METRICS)),
        **{metric: measured(record, metric) for metric in METRICS},
    )


def _reported(line: dict[str, str]) -> Row:
    return row(
        REPORTED,
        generator=line["generator"],
        image_size=times(line["image_size"]),
        latent_resolution=times(line["latent_resolution"]),
        F=line["F"],
        d=line["d"],
        images_per_second=line["samples_per_second"],
        unet_seconds=None,
        decode_seconds=None,
        n=None,
        memory_gb=line["memory_gb"],
    )
