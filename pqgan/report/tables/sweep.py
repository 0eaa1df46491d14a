"""Every configuration of the sweep, and linear ones and other quantisers beside it; not in the paper."""

from collections import Counter

from pqgan.metrics import QUALITY
from pqgan.plan import Plan
from pqgan.settings import Settings
from pqgan.settings.configurations import AnyConfig
from pqgan.subjects import bits_per_pixel

from .. import contents, formats, wording
from ..results import Results
from . import methods
from .table import MEASURED, SOURCE, Cell, Column, Group, Row, Table, measured, metric_column, row

USAGE = ("H_n", "P_n")
COLUMNS = [
    methods.FACTOR,
    Column("d", "d"),
    Column("S", "S"),
    Column("K", "K"),
    Column("bits", "Bits a pixel"),
    *methods.METRIC_COLUMNS.values(),
    *(metric_column(metric) for metric in USAGE),
    Column("n", "n"),
    Column("seeds", "Seeds"),
    methods.CONFIGURATION,
    SOURCE,
]


def table_sweep(settings: Settings, plan: Plan, results: Results) -> Table:
    """A row a configuration, a group an F and d, all on the validation set."""
    configs = settings.scale.tokenizer.designs
    linear = [configs[name] for name in results.among("evaluate", contents.linear(plan))]
    others = [configs[name] for name in results.among("evaluate", contents.other_quantisers(plan))]
    swept = [*(configs[name] for name in contents.product_quantised(plan)), *linear, *others]
    seeds = Counter(config.design for config in settings.scale.tokenizer.configs.values())
    groups: dict[str, list[Row]] = {}
    for config in sorted(swept, key=_place):
        title = f"F={config.F}, d={config.d}"
        if config.kind != "pq":
            title += f": {config.method} (not in the paper's sweep)"
        groups.setdefault(title, []).append(_measured(results, config, seeds[config.name]))
    records = [results.record("evaluate", config.name) for config in swept]
    behind = wording.headline(records, [*QUALITY, *USAGE], ["val"])
    return Table(
        "table_sweep",
        contents.ITEMS["table_sweep"],
        wording.caption(
            "Not in the paper, which shows these as points of its Figures 3 and 6.",
            f"Measured: this run, {wording.run_of(settings)}, set {settings.scale.evaluation.data}, "
            f"n = {wording.counts(behind)} images.",
            wording.networks(behind),
            *wording.protocols(behind),
        ),
        COLUMNS,
        [Group(title, rows) for title, rows in groups.items()],
        [
            "Bits a pixel: S log2(K) / F² of an image as its indices. S=1 is vector quantisation, S=d scalar "
            "quantisation.",
            *methods.notes_of_quantisers(others),
            "Seeds: trainings of a configuration. Values are those of the scale's own seed; the table of claims reads "
            "the others too.",
            *([wording.LINEAR] if linear else []),
        ],
        behind,
    )


def _place(config: AnyConfig) -> tuple:
    """The paper's sweep first, then other quantisers, then linear ones."""
    kind = "" if config.kind == "pq" else config.kind
    return config.kind == "linear", kind, config.F, config.d, config.S, config.K


def _measured(results: Results, config: AnyConfig, seeds: int) -> Row:
    record = results.record("evaluate", config.name)
    usage: dict[str, Cell] = {metric: measured(record, metric, on="val") for metric in USAGE}
    return row(
        MEASURED,
        F=config.F,
        d=config.d,
        S=config.S,
        K=methods.codewords(config.K),
        bits=formats.significant(bits_per_pixel(config.F, config.S, config.K), 3),
        seeds=seeds,
        configuration=config.name,
        **methods.metrics(record, "val"),
        **usage,
    )
