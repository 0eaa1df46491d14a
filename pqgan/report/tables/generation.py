"""Table 5: latent diffusion from scratch on three latents."""

from pqgan.plan import Plan
from pqgan.records import Measurement
from pqgan.settings import Settings

from .. import contents, formats, wording
from ..results import Results
from .paper import paper_rows
from .table import MEASURED, REPORTED, SOURCE, Column, Group, Row, Table, measured, row, with_best

COLUMNS = [
    Column("latent", "Latent model", numeric=False),
    Column("configuration", "Configuration", numeric=False),
    Column("F", "F"),
    SOURCE,
    Column("generator", "Generator", numeric=False),
    Column("batch", "Batch", "images"),
    Column("steps", "Steps"),
    Column("rfid", "rFID", better="down"),
    Column("gfid", "gFID", better="down"),
]


def table5(settings: Settings, plan: Plan, results: Results) -> Table:
    """Every latent of the run, then the paper's rows."""
    rows, behind = [], []
    for name, latent in settings.scale.ldm.latents.items():
        tokenizer = _tokenizer(results, latent.tokenizer)
        used, measurements = _measured(plan, results, name, tokenizer)
        rows.append(used)
        behind += measurements
    paper = [_reported(line) for line in paper_rows("table5")]
    groups = [Group("Measured by this run", rows), Group("Reported by the paper", paper)]
    samples = [item for item in behind if item.metric == "gfid"]
    images = [item for item in behind if item.metric == "rfid"]
    reconstructed = f" and {wording.counts(images)} reconstructed images for rFID" if images else ""
    return Table(
        "table5",
        contents.ITEMS["table5"],
        wording.caption(
            f"Measured: this run, {wording.run_of(settings)}, classes and images of the set {settings.scale.ldm.data},",
            f"n = {wording.counts(samples)} samples for gFID{reconstructed}.",
            "Reported: the paper's own values, on ImageNet, gFID of 5,000 samples.",
            wording.networks(behind),
            *wording.protocols(behind),
        ),
        COLUMNS,
        with_best(groups, COLUMNS),
        ["Bold: best measured value. rFID is that of the tokenizer on the validation set."],
        behind,
    )


def _tokenizer(results: Results, reference: str) -> str:
    """The configuration behind selected-F, or the tokenizer's own name."""
    if reference.startswith("selected-"):
        return results.selected(int(reference.removeprefix("selected-")))["run"]
    return reference


def _measured(plan: Plan, results: Results, name: str, tokenizer: str) -> tuple[Row, list[Measurement]]:
    record = results.record("generation", name)
    subject = record.subject
    # the backbone's own VAE is no configuration of the sweep and may have no evaluation
    scored = results.record("evaluate", tokenizer) if tokenizer in plan.chapter("evaluate") else None
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
    )
    behind = wording.headline([record], ["gfid"]) + (wording.headline([scored], ["rfid"], ["val"]) if scored else [])
    return made, behind


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
