"""The table of claims: a group a claim, a row a contrast."""

from pqgan.plan import Plan
from pqgan.records import METRIC_NAMES
from pqgan.settings import Settings

from .. import contents, formats, wording
from ..claims.catalogue import Claim, claims, summary
from ..claims.contrasts import RATIO_SCALE
from ..claims.evidence import Evidence
from ..claims.findings import NO_NOISE, UNITS, Finding
from ..claims.lines import RULE
from ..claims.versus import overheads
from ..results import Results
from .table import COMPUTED, Cell, Column, Group, Row, Table

COLUMNS = [
    Column("compared", "Compared", numeric=False, wide=0.28),
    Column("metric", "Metric", numeric=False),
    Column("means", "Means", numeric=False, wide=0.22),
    Column("difference", "In favour [95 %]", numeric=False),
    Column("seeds", "Seeds", numeric=False),
    Column("verdict", "Verdict", numeric=False, wide=0.16),
]
REPLICATE = "A configuration is trained again where the sweep names it once more with a seed: {F: 8, ..., seed: 1}."


def table_claims(settings: Settings, plan: Plan, results: Results) -> Table:
    """Every claim with its verdict, from the evaluations, the selections and the matching bench."""
    evidence = Evidence(plan, results)
    tested = claims(evidence)
    groups = [
        Group(f"{number}. {claim.text}:", [_row(finding) for finding in claim.findings], claim.verdict)
        for number, claim in enumerate(tested, 1)
    ]
    behind = [*evidence.behind, *overheads(evidence)]
    return Table(
        "table_claims",
        contents.ITEMS["table_claims"],
        _caption(settings, evidence, tested),
        COLUMNS,
        groups,
        _notes(evidence, tested),
        behind,
    )


def _row(finding: Finding) -> Row:
    verdict = f"{finding.verdict}: {finding.missing}" if finding.missing else finding.verdict
    texts = {column.key: Cell(getattr(finding, column.key)) for column in COLUMNS}
    return Row(COMPUTED, texts | {"difference": Cell(finding.difference, finding.value), "verdict": Cell(verdict)})


def _caption(settings: Settings, evidence: Evidence, tested: list[Claim]) -> str:
    behind, timed = evidence.behind, overheads(evidence)
    repeats = f"; overhead n = {wording.counts(timed)} repeats on {evidence.matching.device}" if timed else ""
    return wording.caption(
        summary(tested),
        f"Measured: this run, {wording.run_of(settings)}, set {settings.scale.evaluation.data}, "
        f"n = {wording.counts(behind)} images a training{repeats}.",
        "Means and differences are of the model value = configuration + seed + noise, fitted to all trainings by least "
        "squares; means are at the seed that most have. In favour: a contrast, positive where it speaks for the claim, "
        "with its 95 % interval by Student's t.",
        _noise(evidence),
        "rFID is compared by its logarithm: its means are geometric, and ×1.1 is a difference of ten percent.",
        wording.networks(behind),
        *wording.protocols([*behind, *timed]),
    )


def _noise(evidence: Evidence) -> str:
    found = {metric: evidence.fit(metric) for metric in evidence.metrics}
    said = [
        f"{METRIC_NAMES[metric]} {_spread(metric, fit.deviation)} ({fit.freedom})"
        for metric, fit in found.items()
        if fit.freedom
    ]
    return (
        f"Noise of one training, s, with its degrees of freedom: {', '.join(said)}."
        if said
        else "There is no interval: too few configurations are trained with a second seed."
    )


def _spread(metric: str, deviation: float) -> str:
    if metric in RATIO_SCALE:
        return f"{formats.significant(100 * deviation, 2)} %"
    return " ".join(filter(None, [formats.significant(deviation, 2), UNITS.get(metric)]))


def _notes(evidence: Evidence, tested: list[Claim]) -> list[str]:
    return [
        "A contrast holds where its interval lies above zero (a ratio above one), and does not hold where it lies "
        "below. A claim holds where all its contrasts do, and does not hold where one of them does not.",
        "Intervals cover the noise between trainings, not the choice of images, and are not widened for their number.",
        RULE,
        "The size of a change takes the sign that was observed.",
        *([REPLICATE] if any(finding.missing == NO_NOISE for claim in tested for finding in claim.findings) else []),
    ]
