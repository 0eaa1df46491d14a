"""Results by hand: what `Evidence` asks for, without a run."""

from collections.abc import Callable, Iterable, Mapping
from types import SimpleNamespace

import pytest
from whole_plan import whole_plan

from pqgan.records import Measurement, Record
from pqgan.report.claims.evidence import Evidence
from pqgan.report.tables.paper import paper_rows


def item(metric: str, value: float, spread: float | None = None, n: int = 48, on: str | None = None, **conditions):
    """A measurement; its interval reaches to `spread` on both sides."""
    interval = None if spread is None else (value - spread, value + spread)
    return Measurement(
        metric=metric, value=value, interval=interval, n=n, protocol="by hand", on=on, conditions=conditions
    )


def record(*measurements: Measurement, sets: Mapping[str, str] | None = None, **subject) -> Record:
    return Record.model_construct(
        measurements=list(measurements), subject=subject, sets=dict(sets or {}), device="test processor"
    )


class Told:
    """Finished results.

    Args:
        records: (chapter, name) -> record; others are not there.
        chosen: F -> the selected configuration.
    """

    def __init__(self, records: Mapping[tuple[str, str], Record], chosen: Mapping[int, str]):
        self.records, self.chosen = records, chosen

    def has(self, chapter: str, name: str) -> bool:
        return (chapter, name) in self.records

    def among(self, chapter: str, names: Iterable[str]) -> list[str]:
        return [name for name in names if self.has(chapter, name)]

    def record(self, chapter: str, name: str) -> Record:
        return self.records[chapter, name]

    def selected(self, factor: int) -> SimpleNamespace:
        return SimpleNamespace(run=self.chosen[factor])


@pytest.fixture(scope="session")
def hand() -> SimpleNamespace:
    """Makers of measurements and records."""
    return SimpleNamespace(item=item, record=record)


@pytest.fixture(scope="session")
def evidence_of() -> Callable[..., Evidence]:
    """(settings, records, selected configurations) -> the evidence."""

    def made(settings, records=(), chosen=()) -> Evidence:
        return Evidence(whole_plan(settings), Told(dict(records), dict(chosen)), paper_rows)

    return made


@pytest.fixture(scope="session")
def verdicts() -> Callable[..., list[str]]:
    """Of the rows of a test, in their order."""
    return lambda findings: [finding.verdict for finding in findings]
