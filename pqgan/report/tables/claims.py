"""The table of claims: a group a claim, a row a contrast or comparison, and findings of our own below."""

from collections.abc import Sequence

from pqgan.metrics import METRICS
from pqgan.plan import Plan
from pqgan.settings import Settings

from .. import contents, formats, wording
from ..claims.catalogue import CLAIMS, NUMBERS, OWN, Judged, judged, summary
from ..claims.cells import Cells
from ..claims.comparisons import MARGIN
from ..claims.evidence import Evidence
from ..claims.findings import NO_NOISE, Finding, percent, title
from ..claims.lines import RULE
from ..results import Results
from . import claims_beside as beside
from .paper import paper_rows
from .table import COMPUTED, REPORTED, Cell, Column, Group, Row, Table

COLUMNS = [
    Column("compared", "Compared", numeric=False, wide=0.25),
    Column("metric", "Metric", numeric=False),
    Column("means", "Means or values", numeric=False, wide=0.2),
    Column("difference", "In favour [95 %]", numeric=False),
    Column("seeds", "Seeds or n", numeric=False),
    Column("verdict", "Verdict", numeric=False, wide=0.14),
]
CELLS = "In the paper's own cells"
OF_TRAININGS = (
    "Means and differences of trainings are of the model value = configuration + seed + noise, fitted to all of them "
    "by least squares; means are at the seed that most have. In favour: a contrast, positive (a ratio above one) where "
    "it speaks for the claim, with its 95 % interval by Student's t; of measured values, as the notes say."
)
OF_VALUES = (
    "Nothing is trained at this scale: PQ are the authors' published tokenizers, and what they are set beside are "
    "published ones too. In favour: a difference, positive (a ratio above one) where it speaks for the claim, with its "
    "95 % interval as the notes say."
)
REPLICATE = "A configuration is trained again where the sweep names it once more with a seed: {F: 8, ..., seed: 1}."


def table_claims(settings: Settings, plan: Plan, results: Results) -> Table:
    """Every claim with its verdict, from the records of all chapters, beside what the paper's own tables say of it."""
    evidence = Evidence(plan, results, paper_rows)
    found, own = judged(CLAIMS, evidence), judged(OWN, evidence)
    groups = [_group(f"{NUMBERS[each.claim.text]}. ", each) for each in found]
    others = beside.judged_beside(plan, results)
    groups = [beside.widened(group, found[place].claim, others) for place, group in enumerate(groups)]
    groups += [beside.widened(_group("Of our own: ", finding), finding.claim, others) for finding in own]
    every = [evidence, *(other.evidence for other in others)]
    return Table(
        "table_claims",
        contents.ITEMS["table_claims"],
        _caption(settings, every, found, others),
        beside.columns(COLUMNS, others),
        groups,
        [*_notes(evidence, [*found, *own]), *beside.notes(plan, results, others)],
        [item for one in every for item in (*one.behind, *one.beside)],
    )


def _group(number: str, found: Judged) -> Group:
    rows = [*map(_row, found.findings), *map(_cells, found.cells)]
    return Group(f"{number}{found.claim.text} ({found.claim.place}):", rows, found.verdict)


def _row(finding: Finding) -> Row:
    verdict = f"{finding.verdict}: {finding.missing}" if finding.missing else finding.verdict
    texts = {column.key: Cell(getattr(finding, column.key)) for column in COLUMNS}
    return Row(COMPUTED, texts | {"difference": Cell(finding.difference, finding.value), "verdict": Cell(verdict)})


def _cells(cells: Cells) -> Row:
    texts = {
        "compared": CELLS,
        "metric": title(cells.metric) if cells.metric else formats.DASH,
        "means": cells.said,
        "verdict": cells.verdict,
    }
    return Row(REPORTED, {column.key: Cell(texts.get(column.key, formats.DASH)) for column in COLUMNS})


def _caption(settings: Settings, every: list[Evidence], found: list[Judged], others: Sequence[beside.Beside]) -> str:
    behind = [item for evidence in every for item in evidence.behind]
    singly = [item for evidence in every for item in evidence.beside]
    return wording.caption(
        summary(found),
        *(beside.summed_up(other) for other in others),
        f"Measured: this run, {wording.run_of(settings)}, set {settings.scale.evaluation.data}, "
        f"n = {wording.counts(behind or singly)} images{' a training; other rows name their own n' if behind else ''}.",
        OF_TRAININGS if every[0].trains else OF_VALUES,
        *(map(_noise, every) if every[0].trains else ()),
        "rFID, gFID, CMMD and LPIPS are compared by their logarithms: their means are geometric, and ×1.1 is a "
        "difference of ten percent.",
        wording.networks([*behind, *singly]),
        *wording.protocols([*behind, *singly]),
    )


def _noise(evidence: Evidence) -> str:
    found = {metric: evidence.fit(metric) for metric in evidence.metrics}
    said = [
        f"{METRICS[metric].label} {_spread(metric, fit.deviation)} ({fit.freedom})"
        for metric, fit in found.items()
        if fit.freedom
    ]
    if said:
        where = f" {beside.HEADS[evidence.network].lower()}" if evidence.network != "trunk" else ""
        return f"Noise of one training{where}, s, with its degrees of freedom: {', '.join(said)}."
    return (
        "There is no interval of trainings: too few configurations are trained with a second seed."
        if evidence.network == "trunk"
        else ""
    )


def _spread(metric: str, deviation: float) -> str:
    if METRICS[metric].ratio:
        return f"{formats.significant(100 * deviation, 2)} %"
    return " ".join(filter(None, [formats.significant(deviation, 2), METRICS[metric].unit]))


def _notes(evidence: Evidence, found: list[Judged]) -> list[str]:
    left_out = [NUMBERS[claim.text] for claim in CLAIMS if not claim.is_planned(evidence.settings.scale)]
    which = wording.listed(left_out)
    return [
        *([f"Left out are claims of what this scale does not plan: {which}."] if left_out else []),
        "A row holds where its interval lies above zero (a ratio above one), and does not hold where it lies below. A "
        "claim holds where all its rows do, and does not hold where one of them does not; what it needs besides, and a "
        "scale does not have, leaves it open.",
        "Intervals of trainings cover the noise between them, not the choice of images, and are not widened for their "
        "number. Measured values of one training, of a published model or of a bench say nothing of another training: "
        "where both have an interval of their own, that of their difference reaches from the ends that lie nearest to "
        f"those that lie farthest; a ratio of others is taken to be known within {percent(MARGIN)}, which is our own.",
        f"{CELLS}: what Tables 1, 2, 3 and 5 of the paper say as they are printed, whatever was measured here.",
        "Claims 14 to 19 and 23 set PQ beside what the paper sets it beside: other published models, such as TAESD, "
        "are no rivals there.",
        RULE,
        "The size of a change takes the sign that was observed.",
        *([REPLICATE] if any(row.missing == NO_NOISE for claim in found for row in claim.findings) else []),
    ]
