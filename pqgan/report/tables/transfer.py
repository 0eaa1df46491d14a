"""Table 2: reconstruction on sets that nothing was trained on."""

from collections.abc import Iterable
from dataclasses import replace

from pqgan.metrics import QUALITY
from pqgan.plan import Plan
from pqgan.records import Record
from pqgan.settings import Settings

from .. import contents, formats, wording
from ..results import Results
from . import methods
from .methods import METRIC_COLUMNS
from .paper import paper_rows, times
from .table import MEASURED, REPORTED, SOURCE, Cell, Column, Row, Table, row, with_best

ORDER = ("rfid", "psnr", "cmmd", "lpips")
"""Of the metrics in the paper's Table 2; others follow."""
SIDE = 256
"""Pixels of the paper's images (section 4.4)."""
IMAGES = {"FFHQ": 10_000, "LSUN": 3_000}
"""Numbers of images of the paper's sets (section 4.4)."""


def table2(settings: Settings, plan: Plan, results: Results) -> Table:
    """The selected tokenizers and the baselines, four metrics for each role; the paper's rows first, in its order."""
    roles = settings.scale.evaluation.transfer
    others = methods.others_of_the_paper(plan, results)
    names = [*contents.published(plan), *contents.unadapted(plan), *contents.continuous(plan)]
    linear = results.among("evaluate", settings.linear_beside)
    names += [*linear, *methods.product_quantised(plan, results)]
    records = [results.record("evaluate", name) for name in names]
    shown = []
    for record in records:
        method = methods.method(settings, record)
        shown.append((method, _measured(settings, record, others.get(record.name, method))))
    paper = paper_rows("table2")
    groups = methods.in_the_papers_order("table2", _reported(paper, roles), shown)
    behind = wording.headline(records, QUALITY, roles)
    facts = [
        f"{prepared} in the role of {role} (n = {wording.counts(wording.headline(records, QUALITY, [role]))})"
        for role, prepared in roles.items()
    ]
    # a role that the paper does not have stands alone
    reported = [f"{role} ({formats.count(IMAGES[role])} images)" for role in roles if role in IMAGES]
    columns = _columns(settings)
    return Table(
        "table2",
        contents.ITEMS["table2"],
        methods.caption(settings, behind, f"sets {wording.listed(facts)}", wording.listed(reported), groups),
        columns,
        with_best(groups, columns),
        [
            *methods.notes_of_others(settings, others),
            *methods.notes_of_trained(settings),
            *methods.notes_of_linear(records),
            methods.BEST,
        ],
        behind,
    )


def _columns(settings: Settings) -> list[Column]:
    columns = [methods.METHOD, methods.FACTOR, methods.LATENT_RESOLUTION]
    for role, prepared in settings.scale.evaluation.transfer.items():
        over = role if prepared.lower() == role.lower() else f"{role}; here the set {prepared}"
        own = [*(METRIC_COLUMNS[metric] for metric in dict.fromkeys([*ORDER, *QUALITY])), Column("n", "n")]
        columns += [replace(column, key=f"{column.key}_{role}", over=over) for column in own]
    return [*columns, methods.CONFIGURATION, SOURCE]


def _measured(settings: Settings, record: Record, method: str) -> Row:
    roles = settings.scale.evaluation.transfer
    F = record.subject["F"]
    cells = {f"{key}_{role}": cell for role in roles for key, cell in methods.metrics(record, role).items()}
    return row(
        MEASURED,
        compare=f"F={F}",
        grey=F == methods.IMPRACTICAL,
        method=method,
        F=F,
        latent_resolution=methods.latent_resolution(settings, roles.values(), F),
        configuration=record.name,
        **cells,
    )


def _reported(paper: Iterable[dict[str, str]], roles: Iterable[str]) -> list[Row]:
    """A row a method and latent resolution; none where no role is of the paper's."""
    roles = list(roles)
    lines: dict[tuple[str, str], dict[str, str]] = {}
    for line in paper:
        if line["dataset"] in roles:
            found = lines.setdefault((line["method"], line["latent_resolution"]), {})
            found |= {f"{metric}_{line['dataset']}": line.get(metric) for metric in QUALITY}
    empty = {f"{key}_{role}": Cell() for role in roles for key in (*QUALITY, "n")}
    return [
        row(
            REPORTED,
            method=method,
            F=SIDE // int(side.partition("x")[0]),
            latent_resolution=times(side),
            configuration=None,
            **empty | cells,
        )
        for (method, side), cells in lines.items()
    ]
