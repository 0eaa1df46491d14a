"""Tables 1 and 2: reconstruction metrics of the selected tokenizers and the baselines."""

from pqgan.plan import Plan
from pqgan.records import Record
from pqgan.settings import Settings

from .. import contents, formats, wording
from ..results import Results
from .paper import paper_rows, times
from .table import MEASURED, REPORTED, SOURCE, Column, Group, Row, Table, measured, row, with_best

METRICS = ("psnr", "rfid", "cmmd", "lpips")
METRIC_COLUMNS = [
    Column("psnr", "PSNR", "dB", "up"),
    Column("rfid", "rFID", better="down"),
    Column("cmmd", "CMMD", better="down"),
    Column("lpips", "LPIPS", better="down"),
]
PUBLISHED = "published models, measured by this run"
BEST = "Bold: best measured value among rows of the same set and F, where there are several."
METHODS = {"pq": ("PQGAN", "PQ"), "kl": ("KL autoencoder", "KL"), "vqgan": ("VQGAN", "VQ")}


def table1(settings: Settings, plan: Plan, results: Results) -> Table:
    """The selected tokenizer of each factor F and the baselines, on the validation set."""
    configs = settings.scale.tokenizer.configs
    chosen = _chosen(plan, results)
    baselines = [name for name in contents.swept(plan) if configs[name].kind != "pq"]
    published = contents.published(plan)
    shown = [*(name for names in chosen.values() for name in names), *baselines, *published]
    records = {name: results.record("evaluate", name) for name in shown}
    paper = paper_rows("table1")
    own = [line for line in paper if line["method"] == "PQGAN"]
    rows = []
    # the two rows of a factor stand together, largest F first as in the paper
    for factor in sorted({*chosen, *(int(line["F"]) for line in own)}, reverse=True):
        rows += [_measured1(settings, records[name]) for name in chosen.get(factor, [])]
        rows += [_reported1(line) for line in own if int(line["F"]) == factor]
    groups = [
        Group("PQGAN", rows),
        Group(
            "Baselines measured by this run, on the same trunk", [_measured1(settings, records[n]) for n in baselines]
        ),
        *([Group(PUBLISHED.capitalize(), [_measured1(settings, records[n]) for n in published])] if published else []),
        Group("Baselines as reported by the paper", [_reported1(line) for line in paper if line not in own]),
    ]
    columns = [
        Column("method", "Method", numeric=False),
        Column("configuration", "Configuration", numeric=False),
        Column("latent", "Latent", numeric=False),
        Column("F", "F"),
        Column("latent_resolution", "h×w"),
        Column("d", "d"),
        Column("K", "K"),
        Column("S", "S"),
        SOURCE,
        *METRIC_COLUMNS,
    ]
    behind = wording.headline(records.values(), METRICS, ["val"])
    set_ = settings.scale.evaluation.data
    notes = [_selection(settings, results, factor) for factor in settings.scale.selection.factors]
    return Table(
        "table1",
        contents.ITEMS["table1"],
        _caption(settings, behind, f"set {set_}, n = {wording.counts(behind)} images", "on ImageNet val"),
        columns,
        with_best(groups, columns),
        [*notes, BEST],
        behind,
    )


def _chosen(plan: Plan, results: Results) -> dict[int, list[str]]:
    configs = plan.settings.scale.tokenizer.configs
    chosen = {factor: [results.selected(factor)["run"]] for factor in plan.settings.scale.selection.factors}
    for name in contents.product_quantised(plan):
        factor = configs[name].F
        # a factor that takes no part in the selection shows all it has
        if factor not in plan.settings.scale.selection.factors:
            chosen.setdefault(factor, []).append(name)
    return chosen


def _selection(settings: Settings, results: Results, factor: int) -> str:
    about = results.selected(factor)
    candidates = about["candidates"]
    if not candidates:
        other = settings.reading.best_alternatives.get(factor)
        elsewhere = f"; the paper's appendix names {other} (reading 1)" if other else ""
        return f"F={factor}: {about['run']} is the configuration that the reading names{elsewhere}."
    metric = about["metric"]
    low, high = (formats.metric(metric, value) for value in (min(candidates.values()), max(candidates.values())))
    return (
        f"F={factor}: {about['run']} has the best {wording.NAMES[metric]} of {len(candidates)} configurations of the "
        f"sweep, whose values reach from {low} to {high}."
    )


def _metrics(record: Record, on: str) -> dict:
    return {metric: measured(record, metric, on=on) for metric in METRICS}


def _latent_side(settings: Settings, prepared: str, factor: int) -> str:
    side = settings.scale.data.sets[prepared].size // factor
    return f"{side}×{side}"


def _method(record: Record) -> tuple[str, str]:
    """Method and latent, as Table 1 calls them."""
    subject = record.subject
    return (subject["method"], subject["latent"]) if "published" in subject else METHODS[subject["kind"]]


def _measured1(settings: Settings, record: Record) -> Row:
    subject = record.subject
    method, latent = _method(record)
    if subject["kind"] == "pq":
        latent = {1: "VQ", subject["d"]: "scalar"}.get(subject["S"], latent)
    return row(
        MEASURED,
        f"F={subject['F']}",
        method=method,
        configuration=record.name,
        latent=latent,
        latent_resolution=_latent_side(settings, settings.scale.evaluation.data, subject["F"]),
        K=formats.count(subject["K"]) if "K" in subject else None,
        **{key: subject.get(key) for key in ("F", "d", "S")},
        **_metrics(record, "val"),
    )


def _paper_name(line: dict[str, str]) -> str | None:
    return "f{F}-d{d}-S{S}-K{K}".format(**line) if line["method"] == "PQGAN" else None


def _reported1(line: dict[str, str]) -> Row:
    shown = {key: value for key, value in line.items() if key not in ("latent_resolution", "K")}
    return row(
        REPORTED,
        configuration=_paper_name(line),
        latent_resolution=times(line["latent_resolution"]),
        K=line["K"] and formats.count(int(line["K"])),
        **shown,
    )


def _caption(settings: Settings, behind: list, sets: str, where: str) -> str:
    return wording.caption(
        f"Measured: this run, {wording.run_of(settings)}, {sets}.",
        f"Reported: the paper's own values, {where}.",
        wording.networks(behind),
        *wording.protocols(behind),
    )


def table2(settings: Settings, plan: Plan, results: Results) -> Table:
    """The selected tokenizers, the KL baseline and published models on sets they were not trained for."""
    factors = sorted(settings.scale.selection.factors, reverse=True)
    names = [*contents.continuous(plan), *(results.selected(factor)["run"] for factor in factors)]
    own = [results.record("evaluate", name) for name in names]
    published = [results.record("evaluate", name) for name in contents.published(plan)]
    records = [*own, *published]
    paper = paper_rows("table2")
    groups, facts = [], []
    for role, prepared in settings.scale.evaluation.transfer.items():
        rows = [_measured2(settings, record, role) for record in own]
        rows += [
            row(
                REPORTED,
                configuration=None,
                latent_resolution=times(line["latent_resolution"]),
                set=line["dataset"],
                **{key: line[key] for key in ("method", *METRICS)},
            )
            for line in paper
            if line["dataset"] == role
        ]
        title = role if prepared.lower() == role.lower() else f"{role}; here the set {prepared}"
        groups.append(Group(title, rows))
        if published:
            rows = [_measured2(settings, record, role) for record in published]
            groups.append(Group(f"{title}; {PUBLISHED}", rows))
        facts.append(
            f"{prepared} in the role of {role} (n = {wording.counts(wording.headline(records, METRICS, [role]))})"
        )
    columns = [
        Column("method", "Method", numeric=False),
        Column("configuration", "Configuration", numeric=False),
        Column("latent_resolution", "h×w"),
        Column("set", "Set", numeric=False),
        SOURCE,
        *METRIC_COLUMNS,
    ]
    behind = wording.headline(records, METRICS, settings.scale.evaluation.transfer)
    return Table(
        "table2",
        contents.ITEMS["table2"],
        _caption(settings, behind, f"sets {wording.listed(facts)}", "on FFHQ and LSUN"),
        columns,
        with_best(groups, columns),
        [BEST],
        behind,
    )


def _measured2(settings: Settings, record: Record, role: str) -> Row:
    prepared = settings.scale.evaluation.transfer[role]
    return row(
        MEASURED,
        f"{role} F={record.subject['F']}",
        method=_method(record)[0],
        configuration=record.name,
        latent_resolution=_latent_side(settings, prepared, record.subject["F"]),
        set=prepared,
        **_metrics(record, role),
    )
