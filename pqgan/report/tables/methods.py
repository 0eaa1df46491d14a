"""How Tables 1, 2 and 5 stand: the paper's methods in its order, beside each what this run measured of it."""

from collections.abc import Iterable, Mapping, Sequence

from pqgan.metrics import QUALITY
from pqgan.plan import Plan
from pqgan.records import Record
from pqgan.settings import Settings, VQGANConfig
from pqgan.settings.configurations import BY_KIND, AnyConfig
from pqgan.settings.names import BACKBONE_VAE, BASELINE

from .. import contents, formats, wording
from ..results import Results
from .paper import paper_rows
from .table import Cell, Column, Group, Row, measured, metric_column

METRIC_COLUMNS = {metric: metric_column(metric) for metric in QUALITY}
METHOD = Column("method", "Method", numeric=False)
CONFIGURATION = Column("configuration", "Configuration", numeric=False)
FACTOR = Column("F", "F")
LATENT_RESOLUTION = Column("latent_resolution", "Latent resolution")

BEST = (
    "Bold: best measured value of a column among rows of the same set and F, where there are several; values that the "
    "paper reports are of other images, and are not compared."
)
_TRAINED = (
    "Trained by this run, all of one F on the same trunk: PQGAN; as VQGAN what has S=1 and baselines vqgan-f...; as "
    "LDM VAE autoencoders with KL regularisation, kl-f.... Other measured rows are published models."
)
ALTERNATIVE, AUTHORS = "PQGAN (A.1)", "PQGAN (authors' weights)"
"""Rows of what is PQGAN too, beside the selected."""
LINEAR_VQ = "PCA + VQ, linear"
"""A linear tokenizer with one codebook."""
IMPRACTICAL = 4
"""F of the rows that the paper prints in grey (section 4.4)."""
GREY = (
    "Rows of F=4 are grey, or in italics where there is no colour: the paper calls them impractical for real-world "
    "applications and shows them as upper bounds of competing methods (section 4.4)."
)


def method(settings: Settings, record: Record) -> str:
    """What Table 1 calls the method of a tokenizer; what the paper does not have keeps its own name."""
    subject = record.subject
    if "method" in subject:  # of published models, and of codecs
        return subject["method"]
    if record.name == BACKBONE_VAE:  # of a scale that has one
        backbone = settings.scale.adapt.backbone
        return f"{BASELINE} VAE" if backbone.published_vae else f"VAE of the {backbone.source} backbone"
    # a vector quantiser is never called a product quantiser
    vector = {"pq": VQGANConfig.method, "linear": LINEAR_VQ} if subject.get("S") == 1 else {}
    return vector.get(subject["kind"], BY_KIND[subject["kind"]].method)


def latent(record: Record) -> str | None:
    """What Table 1 calls the kind of a latent; None of a codec, which has none."""
    subject = record.subject
    if "method" in subject:
        return subject.get("latent")
    if subject["kind"] in ("pq", "linear"):
        return {1: "VQ", subject["d"]: "scalar"}.get(subject["S"], "PQ")
    return BY_KIND[subject["kind"]].latent


def latent_resolution(settings: Settings, prepared: Iterable[str], F: int) -> str:
    """Sides of the latents of sets; of several where these have different sizes."""
    sides = (settings.scale.data.sets[name].size // F for name in prepared)
    return ", ".join(dict.fromkeys(f"{side}×{side}" for side in sides))


def metrics(record: Record, on: str) -> dict[str, Cell]:
    """The four metrics and the number of images, n, on a set."""
    behind = wording.headline([record], QUALITY, [on])
    return {metric: measured(record, metric, on=on) for metric in QUALITY} | {
        "n": Cell(wording.counts(behind)) if behind else Cell()
    }


def product_quantised(plan: Plan, results: Results) -> list[str]:
    """What is called PQGAN, largest F first: the selected tokenizer and the paper's other choice (reading 1)."""
    factors = sorted(plan.settings.scale.selection.factors, reverse=True)
    configs = plan.settings.scale.tokenizer.designs
    names = []
    for factor in factors:
        others = [name for name in contents.alternatives(plan) if factor == configs[name].F]
        names += [results.selected(factor).run, *others]
    return list(dict.fromkeys(names))


def others_of_the_paper(plan: Plan, results: Results) -> dict[str, str]:
    """What is PQGAN too and was not selected here -> what says so in a row.

    That is configurations that the paper calls best in another place, and what its authors trained.
    """
    chosen = {results.selected(factor).run for factor in plan.settings.scale.selection.factors}
    others = {name: ALTERNATIVE for name in contents.alternatives(plan) if name not in chosen}
    return others | dict.fromkeys(contents.of_the_authors(plan), AUTHORS)


def notes_of_trained(settings: Settings) -> list[str]:
    """What this run trained, where it trains anything."""
    return [_TRAINED] if settings.scale.tokenizer.training else []


def notes_of_others(settings: Settings, others: Mapping[str, str]) -> list[str]:
    """What PQGAN (A.1) and PQGAN (authors' weights) are."""
    notes = [
        f"{label}: {name}, appendix A.1's alternative to the selected one (reading 1)."
        for name, label in others.items()
        if label == ALTERNATIVE
    ]
    if theirs := [name for name, label in others.items() if label == AUTHORS]:
        notes.append(
            f"{AUTHORS}: {wording.listed(theirs)}, files that the paper's authors published, measured by this run. "
            "They were trained on images squashed to their size, normalised by ImageNet's mean and deviation (reading "
            f"4, ‘released’); here images reach their size by {settings.reading.data.geometry}."
        )
    return notes


def notes_of_linear(records: Iterable[Record]) -> list[str]:
    """What linear tokenizers are, where a table shows one."""
    kinds = {record.subject["kind"] for record in records}
    return [wording.LINEAR] if "linear" in kinds else []


def notes_of_quantisers(configs: Iterable[AnyConfig]) -> list[str]:
    """What S and K are of other quantisers than the paper's, and that this run chose their shapes."""
    told = [
        f"{config.name}: S={config.S} codes per position, each of K={codewords(config.K)} values" for config in configs
    ]
    if not told:
        return []
    return [
        "Other quantisers in the product quantiser's place, on the same trunk, with codes of this run's choice, which "
        f"are not in the paper: {'; '.join(told)}."
    ]


def in_the_papers_order(
    table: str, reported: Sequence[Row], shown: Sequence[tuple[str, Row]], key: str = "method"
) -> list[Group]:
    """A group a method, and one under a heading of what the paper's table does not have.

    Args:
        table: of the paper, whose first column is the method.
        reported: its rows in its order.
        shown: method and row of what was measured.
        key: of the column that has the method in reported rows.
    """
    known = list(dict.fromkeys(next(iter(line.values())) for line in paper_rows(table)))
    groups = []
    for name in known:
        own = [row for row in reported if row.cells[key].text == name]
        groups.append(Group("", _beside(own, [row for of, row in shown if of == name])))
    others = [row for name, row in shown if name not in known]
    groups.append(Group(f"Not in the paper's {contents.label(table)}", others))
    return [group for group in groups if group.rows]


def _beside(reported: Sequence[Row], shown: Sequence[Row]) -> list[Row]:
    """Rows that the paper reports in their order, measured ones below the last of the same F."""
    factors = [row.cells["F"].text for row in reported]
    rows = []
    for place, (row, factor) in enumerate(zip(reported, factors, strict=True)):
        rows.append(row)
        if factor not in factors[place + 1 :]:
            rows += [other for other in shown if other.cells["F"].text == factor]
    return rows + [row for row in shown if row.cells["F"].text not in factors]


def caption(settings: Settings, behind: list, sets: str, where: str, groups: Iterable[Group]) -> str:
    """Which run, on what, how, and what grey is where a row is."""
    return wording.caption(
        f"Measured: this run, {wording.run_of(settings)}, {sets}.",
        f"Reported: the paper's own values, on {where}." if where else "",
        GREY if any(row.grey for group in groups for row in group.rows) else "",
        wording.networks(behind),
        *wording.protocols(behind),
    )


def codewords(K: int | None) -> str | None:
    """K as tables print it."""
    return None if K is None else formats.count(K)
