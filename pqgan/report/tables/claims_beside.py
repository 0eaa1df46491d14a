"""What claims of the sweep come to with another network than the trunk: columns of their own in the table of claims."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from pqgan.plan import Plan

from .. import contents, formats, wording
from ..claims.catalogue import CLAIMS, Claim, Judged, judged, tally
from ..claims.evidence import Evidence, Network
from ..claims.findings import Finding
from ..results import Results
from .paper import paper_rows
from .table import COMPUTED, Cell, Column, Group, Row

HEADS: Mapping[Network, str] = {
    "trunk": "Trunk as in the paper",
    "path": "With the shortcut",
    "linear": "Linear floor",
}
"""Network of the product quantisers -> heading of its columns."""
WIDE = {"compared": 0.14, "means": 0.12, "verdict": 0.08, "path": 0.13, "linear": 0.09}
"""Shares of a printed page's width, where there are columns beside the trunk's."""
NAMED = re.compile(r"\b(?:path|linear)-(?=f\d)")
"""What the same configuration's name begins with there."""


@dataclass(frozen=True)
class Beside:
    """Claims put to the test with another network."""

    network: Network
    evidence: Evidence
    found: list[Judged]


def judged_beside(plan: Plan, results: Results) -> list[Beside]:
    """The claims of trainings with each other network that was measured; none where no shortcut is trained beside."""
    if not results.among("evaluate", contents.paths(plan)):
        return []
    found = []
    for network in ("path", "linear"):
        evidence = Evidence(plan, results, paper_rows, network)
        if any(config.kind == "pq" for config in evidence.designs.values()):
            claims = [claim for claim in CLAIMS if claim.of_trainings]
            found.append(Beside(network, evidence, judged(claims, evidence)))
    return found


def columns(own: Sequence[Column], others: Sequence[Beside]) -> list[Column]:
    """Those of the trunk, and one for each other network."""
    if not others:
        return list(own)
    shared = [replace(column, wide=WIDE.get(column.key, 0)) for column in own]
    shared = [c if c.key in ("compared", "metric") else replace(c, over=HEADS["trunk"]) for c in shared]
    more = [Column(o.network, HEADS[o.network], numeric=False, wide=WIDE[o.network]) for o in others]
    return shared + more


def widened(group: Group, claim: Claim, others: Sequence[Beside]) -> Group:
    """A claim's group with what came of the same comparisons with other networks, and these' own comparisons below."""
    if not others:
        return group
    rows = [replace(row, cells=dict(row.cells) | {other.network: Cell() for other in others}) for row in group.rows]
    outcomes = {HEADS["trunk"]: group.outcome}
    for other in others:
        again = next((one for one in other.found if one.claim is claim), None)
        if again is None:
            continue
        if other.network != "linear":  # one fit has no noise that could decide
            outcomes[HEADS[other.network]] = again.verdict
        taken: set[int] = set()
        for finding in again.findings:
            said = Cell(_said(finding, other.network), finding.value)
            key = NAMED.sub("", finding.compared), finding.metric
            place = next((n for n, row in enumerate(rows) if n not in taken and _key(row) == key), None)
            taken.add(len(rows) if place is None else place)
            if place is None:
                blank = {name: Cell() for name in group.rows[0].cells} | {o.network: Cell() for o in others}
                named = {"compared": Cell(finding.compared), "metric": Cell(finding.metric)}
                rows.append(Row(COMPUTED, blank | named | {other.network: said}))
            else:
                rows[place] = replace(rows[place], cells=dict(rows[place].cells) | {other.network: said})
    outcome = group.outcome
    if len(outcomes) > 1:
        outcome = "; ".join(f"{head.lower()}: {verdict}" for head, verdict in outcomes.items())
    return replace(group, rows=rows, outcome=outcome)


def _key(row: Row) -> tuple[str, str]:
    return NAMED.sub("", row.cells["compared"].text), row.cells["metric"].text


def _said(finding: Finding, network: Network) -> str:
    """holds: +0.24 [+0.11, +0.37]; S=d/4: 28.2; S=d/2: 28.5; a linear floor has no verdict."""
    numbers = "; ".join(text for text in (finding.difference, finding.means) if text != formats.DASH)
    if network == "linear":
        return numbers or finding.missing or formats.DASH
    verdict = ": ".join(filter(None, (finding.verdict, finding.missing)))
    return ": ".join(filter(None, (verdict, numbers)))


def summed_up(other: Beside) -> str:
    """How many of the claims of trainings hold with another network; empty of a linear floor."""
    if other.network == "linear":
        return ""
    of = f"{HEADS[other.network]}, of the {len(other.found)} that are tested by reconstruction"
    return f"{of}, claims that hold: {tally(other.found)}."


def notes(plan: Plan, results: Results, others: Sequence[Beside]) -> list[str]:
    """What the columns beside the trunk's are."""
    around, said = plan.settings.scale.tokenizer.with_shortcut, {}
    planned = contents.paths(plan)
    there = len(results.among("evaluate", planned))
    if around:
        said["path"] = (
            f"{HEADS['path']}: the product quantisers {wording.PATHS[around.shortcut]}, which is no part of the paper "
            f"(path-f...), {formats.count(around.training.steps)} updates each; {there} of {len(planned)} planned "
            "trainings are here. KL autoencoders and VQGANs are on the trunk, and stand in its column alone."
        )
    said["linear"] = f"{HEADS['linear']}: {wording.LINEAR} No interval there is of trainings: each is fitted once."
    return [said[other.network] for other in others]
