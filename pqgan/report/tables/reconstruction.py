"""Table 1: reconstruction metrics of the selected tokenizers and the baselines on the validation set."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import replace

from pqgan.metrics import METRICS, QUALITY
from pqgan.plan import Plan
from pqgan.records import Measurement, Record
from pqgan.settings import Settings, VQGANConfig
from pqgan.subjects import bits_per_pixel, stored_bits

from .. import contents, formats, wording
from ..results import Results
from . import methods
from .methods import METRIC_COLUMNS
from .paper import paper_rows, times
from .table import MEASURED, REPORTED, SOURCE, Cell, Column, Row, Table, measured, row, with_best

COLUMNS = [
    methods.METHOD,
    Column("latent", "Latent", numeric=False),
    methods.FACTOR,
    methods.LATENT_RESOLUTION,
    Column("d", "d"),
    Column("K", "K"),
    *METRIC_COLUMNS.values(),
    # what the paper's table does not have
    Column("S", "S"),
    Column("bits", "stored", over="Bits a pixel"),
    Column("entropy", "entropy", over="Bits a pixel"),
    methods.CONFIGURATION,
    SOURCE,
    Column("n", "n"),
]
BITS = (
    "Bits a pixel, our columns behind the paper's. Stored: S log2(K) / F² of an image as its codes, log2(K) rounded "
    "up, computed here for reported rows too; 8 d / F² where latents are stored as bytes. Entropy: what an ideal code "
    "without context would take, the sum over subspaces of the entropy of their codes on this set, / F²; of bytes, "
    "over channels. Continuous latents have neither. The paper prints no S in its table: of its rows it is 1 for VQ, "
    "and section 4.4's for PQGAN."
)


def table1(settings: Settings, plan: Plan, results: Results) -> Table:
    """The paper's rows, what this run measured of each method beside them; last what the paper does not have."""
    paper = paper_rows("table1")
    others = methods.others_of_the_paper(plan, results)
    shown, second = [], settings.scale.evaluation.second
    codecs = {name: results.record("evaluate", name) for name in results.among("evaluate", contents.codecs(plan))}
    records = {name: results.record("evaluate", name) for name in _shown(plan, results, paper)} | codecs
    for name, record in records.items():
        method = methods.method(settings, record)
        shown.append((method, _measured(settings, record, others.get(name, method))))
    columns = _columns(settings)
    twice = [f"{metric}2" for metric in QUALITY if second]
    groups = methods.in_the_papers_order("table1", [_reported(line, twice) for line in paper], shown)
    behind = wording.headline(records.values(), QUALITY, ["val"])
    sets = f"set {settings.scale.evaluation.data}, n = {wording.counts(behind)} images"
    notes = [_selection(settings, results, factor) for factor in settings.scale.selection.factors]
    again = wording.headline(records.values(), QUALITY, [second.reading]) if second else []
    by_second = _by_second(settings, again) if second else []
    linear = methods.notes_of_linear(records.values())
    quantisers = [settings.scale.tokenizer.designs[name] for name in contents.other_quantisers(plan) if name in records]
    return Table(
        "table1",
        contents.ITEMS["table1"],
        wording.caption(methods.caption(settings, behind, sets, "ImageNet val", groups), *by_second),
        columns,
        with_best(groups, columns),
        [
            *notes,
            *methods.notes_of_others(settings, others),
            *methods.notes_of_trained(settings),
            *methods.notes_of_quantisers(quantisers),
            *linear,
            BITS,
            *_of_codecs(codecs),
            methods.BEST,
        ],
        [*behind, *again],
    )


def _columns(settings: Settings) -> list[Column]:
    """The table's, with the metrics once more by a second reading."""
    second = settings.scale.evaluation.second
    if second is None:
        return COLUMNS
    blocks = {settings.reading_name: ("", settings.scale.evaluation.data), second.reading: ("2", second.data)}
    metrics = [
        replace(column, key=column.key + again, over=f"Reading ‘{reading}’, set {prepared}")
        for reading, (again, prepared) in blocks.items()
        for column in METRIC_COLUMNS.values()
    ]
    place = COLUMNS.index(METRIC_COLUMNS[QUALITY[0]])
    return [*COLUMNS[:place], *metrics, *COLUMNS[place + len(METRIC_COLUMNS) :]]


def _shown(plan: Plan, results: Results, paper: Iterable[dict[str, str]]) -> list[str]:
    """What was measured of methods of the paper, and published models, each once."""
    configs = plan.settings.scale.tokenizer.designs
    baselines = [name for name, config in configs.items() if config.network != "pq"]
    beside = [*contents.other_quantisers(plan), *plan.settings.linear_beside]
    baselines += results.among("evaluate", beside)
    factors = plan.settings.scale.selection.factors
    # a factor that takes no part in the selection shows all product quantisers that it has
    alone = [
        name for name in contents.product_quantised(plan) if configs[name].F not in factors and configs[name].S > 1
    ]
    pq = sorted([*methods.product_quantised(plan, results), *alone], key=lambda name: -configs[name].F)
    shown = [*contents.published(plan), *contents.unadapted(plan), *_vector_quantised(plan, paper), *baselines, *pq]
    return list(dict.fromkeys(shown))


def _vector_quantised(plan: Plan, paper: Iterable[dict[str, str]]) -> list[str]:
    """Of the sweep, what the paper's VQGANs are: S=1 with their F and d, and of several the nearest K."""
    configs = plan.settings.scale.tokenizer.designs
    vq = [configs[name] for name in contents.product_quantised(plan) if configs[name].S == 1]
    names = []
    for F, d, K in ([int(line[key]) for key in "FdK"] for line in paper if line["method"] == VQGANConfig.method):
        same = {abs(math.log2(config.K / K)): config.name for config in vq if (config.F, config.d) == (F, d)}
        names += [same[min(same)]] if same else []
    return names


def _selection(settings: Settings, results: Results, factor: int) -> str:
    about = results.selected(factor)
    candidates = about.candidates
    if not candidates:
        other = settings.reading.best_alternatives.get(factor)
        elsewhere = f"; the paper's appendix names {other} (reading 1)" if other not in (None, about.run) else ""
        return f"F={factor}: {about.run} is the configuration that the reading names{elsewhere}."
    names = wording.listed(METRICS[metric].label for metric in about.metrics)
    top = wording.listed(f"{name} ({candidates[name].mean_rank:.2f})" for name in about.top)
    bad = f" Left out, as a value of theirs is no finite number: {', '.join(about.left_out)}." if about.left_out else ""
    return (
        f"F={factor}: {about.run} has the best mean rank by {names} of {len(candidates)} configurations of the sweep "
        f"with S > 1; the best {len(about.top)}, each with its mean rank, are {top}.{bad}"
    )


def _by_second(settings: Settings, measured: list[Measurement]) -> list[str]:
    """How the columns of the second reading were measured."""
    second = settings.scale.evaluation.second
    return [
        f"Columns of the reading ‘{second.reading}’: the same images, set {second.data} "
        f"({settings.scale.geometry_of(second.data, settings.reading)}), n = {wording.counts(measured)}.",
        *wording.protocols(measured),
    ]


def _measured(settings: Settings, record: Record, method: str) -> Row:
    subject, second = record.subject, settings.scale.evaluation.second
    again = methods.metrics(record, second.reading) if second else {}
    F, K = subject.get("F"), subject.get("K")
    side = F and methods.latent_resolution(settings, [settings.scale.evaluation.data], F)
    return row(
        MEASURED,
        compare=F and f"F={F}",
        grey=F == methods.IMPRACTICAL,
        method=method,
        configuration=record.name,
        latent=methods.latent(record),
        latent_resolution=side,
        K=methods.codewords(K),
        bits=_stored(record),
        entropy=measured(record, "entropy_bits_per_pixel", on="val"),
        **{key: subject.get(key) for key in ("F", "d", "S")},
        **methods.metrics(record, "val"),
        **{f"{metric}2": again[metric] for metric in QUALITY if again},
    )


def _of_codecs(codecs: Mapping[str, Record]) -> list[str]:
    """What rows of codecs are."""
    if not codecs:
        return []
    written = []
    for name, record in codecs.items():
        encoded = record.subject["encoded"]["val"]
        written.append(f"{name}: {encoded['quality']} ({encoded['subsampling']})")
    libraries = wording.listed(record.subject["library"] for record in codecs.values())
    return [
        "Codecs, which the paper does not have: at the largest quality whose files, headers counted, take on the mean "
        "of this set no more bits a pixel than stand behind @. Quality (chroma subsampling) of "
        f"{', '.join(written)}. Made by {libraries}."
    ]


def _stored(record: Record) -> Cell:
    """Bits a pixel as stored, which records of before they were measured leave to be computed."""
    found = measured(record, "bits_per_pixel", on="val")
    bits = stored_bits(record.subject)
    return found if found.value is not None or bits is None else Cell(formats.metric("bits_per_pixel", bits), bits)


def _reported(line: dict[str, str], again: Iterable[str]) -> Row:
    F, S, K = (int(line[key]) if line[key] else None for key in "FSK")
    shown = {key: value for key, value in line.items() if key not in ("latent_resolution", "K")}
    return row(
        REPORTED,
        grey=methods.IMPRACTICAL == F,
        configuration=None,
        latent_resolution=times(line["latent_resolution"]),
        K=methods.codewords(K),
        bits=None if S is None or K is None else formats.metric("bits_per_pixel", bits_per_pixel(F, S, K)),
        entropy=None,
        n=None,
        **dict.fromkeys([*QUALITY, *again]) | shown,
    )
