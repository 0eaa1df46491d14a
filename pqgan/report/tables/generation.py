"""Table 5: latent diffusion from scratch on three latents."""

from dataclasses import replace

from pqgan.plan import Plan
from pqgan.records import Measurement, Record
from pqgan.settings import Settings
from pqgan.settings.names import selected_factor

from .. import contents, formats, wording
from ..results import Results
from . import methods
from .paper import paper_rows
from .table import MEASURED, REPORTED, SOURCE, Cell, Column, Group, Row, Table, measured, metric_column, row, with_best

COLUMNS = [
    Column("latent", "Latent model", numeric=False),
    Column("F", "F"),
    Column("generator", "Generator", numeric=False),
    Column("batch", "Batch size", "images"),
    Column("steps", "Training steps"),
    metric_column("rfid"),
    metric_column("gfid"),
]
OWN = [Column("configuration", "Configuration", numeric=False), SOURCE]
"""What the paper's table does not have."""
NEIGHBOURS = ("precision", "recall")
"""Metrics of which the paper reports none."""


def table5(settings: Settings, plan: Plan, results: Results) -> Table:
    """The paper's rows, each latent of the run beside that of its name and F."""
    rows, behind = [], []
    for name, latent in settings.scale.ldm.latents.items():
        tokenizer = _tokenizer(results, latent.tokenizer)
        used, measurements = _measured(results, name, tokenizer)
        rows.append(used)
        behind += measurements
    reported = [_reported(line) for line in paper_rows("table5")]
    columns = COLUMNS + _more_columns(behind) + OWN
    shown = [(used.cells["latent"].text, used) for used in rows]
    groups = methods.in_the_papers_order("table5", reported, shown, key="latent")
    groups = [Group(group.title, [_filled(used, columns) for used in group.rows]) for group in groups]
    gfid = [item for item in behind if item.metric == "gfid" and item.headline]
    rfid = [item for item in behind if item.metric == "rfid"]
    more = wording.listed(formats.count(n) for n in _further_counts(behind))
    further = f", {more} where a column says so," if more else ""
    reconstructed = f" and {wording.counts(rfid)} reconstructed images for rFID" if rfid else ""
    return Table(
        "table5",
        contents.ITEMS["table5"],
        wording.caption(
            f"Measured: this run, {wording.run_of(settings)}, classes and images of the set {settings.scale.ldm.data},",
            f"n = {wording.counts(gfid)} samples for gFID{further}{reconstructed}.",
            "Reported: the paper's own values, on ImageNet, gFID of 5,000 samples;",
            "appendix D says that its LDM has 400M parameters.",
            wording.networks(gfid + rfid),
            *wording.protocols(gfid + rfid),
            _neighbours(behind),
        ),
        columns,
        with_best(groups, columns),
        ["Bold: best measured value. rFID is that of the tokenizer on the validation set."],
        behind,
    )


def _further_counts(behind: list[Measurement]) -> list[int]:
    """Numbers of samples besides the headline's."""
    return sorted({item.n for item in behind if item.metric == "gfid" and not item.headline})


def _more_columns(behind: list[Measurement]) -> list[Column]:
    """Columns for what this run measured and the paper did not."""
    found = {item.metric for item in behind}
    gfids = [Column(f"gfid_{n}", f"gFID ({formats.count(n)})", better="down") for n in _further_counts(behind)]
    return gfids + [metric_column(metric) for metric in NEIGHBOURS if metric in found]


def _filled(used: Row, columns: list[Column]) -> Row:
    """The row with a missing value in every column that it lacks."""
    return replace(used, cells={column.key: Cell() for column in columns} | dict(used.cells))


def _neighbours(behind: list[Measurement]) -> str:
    """How precision and recall were computed; empty where they were not."""
    ways = wording.listed(f"{item.protocol}, through {item.network}" for item in behind if item.metric in NEIGHBOURS)
    return f"Precision and recall: {ways}." if ways else ""


def _tokenizer(results: Results, reference: str) -> str:
    """The configuration behind selected-F, or the tokenizer's own name."""
    if factor := selected_factor(reference):
        return results.selected(factor).run
    return reference


def _measured(results: Results, name: str, tokenizer: str) -> tuple[Row, list[Measurement]]:
    record = results.record("generation", name)
    subject = record.subject
    scored = results.record("evaluate", tokenizer)
    further = _gfids(record)
    neighbours = wording.headline([record], NEIGHBOURS)
    made = row(
        MEASURED,
        "all",
        latent=subject["method"],
        configuration=tokenizer,
        F=subject["F"],
        generator=f"LDM ({formats.millions(subject['unet_parameters'])})",
        batch=subject["batch"],
        steps=formats.count(subject["train_steps"]),
        rfid=measured(scored, "rfid", on="val"),
        gfid=measured(record, "gfid"),
        **{f"gfid_{item.n}": Cell(formats.metric("gfid", item.value), item.value) for item in further},
        **{item.metric: Cell(formats.metric(item.metric, item.value), item.value) for item in neighbours},
    )
    rfid = wording.headline([scored], ["rfid"], ["val"])
    return made, [*wording.headline([record], ["gfid"]), *further, *rfid, *neighbours]


def _gfids(record: Record) -> list[Measurement]:
    """gFID of other numbers of samples, after the headline's resize."""
    headline = record.get("gfid")
    return [
        item
        for item in record.measurements
        if headline is not None
        and item.metric == "gfid"
        and item.n != headline.n
        and item.conditions.get("resize") == headline.conditions.get("resize")
    ]


def _reported(line: dict[str, str]) -> Row:
    return row(
        REPORTED,
        latent=line["latent_model"],
        configuration=None,
        F=line["F"],
        generator=line["generator"],
        batch=line["batch_size"],
        steps=formats.count(int(line["training_steps"])),
        rfid=line["rfid"],
        gfid=line["gfid_5k"],
    )
