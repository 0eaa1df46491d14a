"""Thousands of damaged files through what reads them: one line of error, at once, or a file that may be read.

A traceback, a wait of more than five seconds, or damage that a checksum or a declared value tells and that is accepted
all the same is a failure. The same inputs are made at every run.
"""

import os
import time
from contextlib import suppress
from pathlib import Path

import fuzz_results
import fuzz_targets
import pytest
from fuzz_mutate import Damage, damages, remove
from fuzz_targets import Target
from fuzz_watch import HangError, limit
from hypothesis import HealthCheck, Phase, given, settings

from pqgan.errors import PqganError

PATIENCE = 5.0
"""Seconds that an input may take."""
QUICK, LEAST = 30, 40
"""Of as many examples one in the quick run, and the least of a target there."""


@pytest.fixture(
    scope="module", params=(*fuzz_targets.BUILDERS, *fuzz_results.BUILDERS), ids=lambda build: build.__name__
)
def made(request, tiny_pq, tmp_path_factory) -> tuple[Path, list[Target]]:
    folder = tmp_path_factory.mktemp(request.param.__name__) / "made"
    folder.mkdir()
    return folder, request.param(folder, tiny_pq)


@pytest.fixture(scope="module", autouse=True)
def _no_waiting_for_the_disk():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda _: None)
        yield


class Outcomes:
    """What became of the inputs of a target."""

    def __init__(self, folder: Path, target: Target):
        self.folder, self.target, self.path = folder, target, folder / target.file
        self.files = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
        self.tried = self.refused = 0

    def try_out(self, damage: Damage) -> None:
        """Damage the file, have it read, put it back.

        Raises:
            AssertionError: the reader did what it must not.
        """
        target = self.target
        try:
            damage.make(self.path)
            regular = self.path.is_file()
            if regular and self.path.read_bytes() == self.files[self.path]:
                return  # by chance
            if target.reseal and regular:
                target.reseal(self.folder)
            self.tried += 1
            try:
                with limit(PATIENCE):
                    target.read(self.folder)
            except PqganError as error:
                self.refused += 1
                said = str(error)
            except (Exception, HangError) as error:
                raise AssertionError(f"{target.name}: {type(error).__name__}: {error} ({damage})") from error
            else:
                said = ""
                assert regular, f"{target.name}: read where there is no file ({damage})"
                whole = target.same(self.files[self.path], self.path.read_bytes())
                assert whole or not target.sealed, f"{target.name}: damaged and accepted ({damage})"
            assert said.isprintable(), f"{target.name}: more than a line: {said[:500]!r} ({damage})"
        finally:
            self._put_back()

    def _put_back(self) -> None:
        for path, content in self.files.items():
            if path == self.path or (self.target.reseal and path.parent in (self.folder, self.path.parent)):
                if path.is_file() and not path.is_symlink() and path.read_bytes() == content:
                    continue
                remove(path)
                path.write_bytes(content)


def fuzzed(folder: Path, target: Target, examples: int) -> Outcomes:
    """Try out as many damages of a target's file, once it is seen to be read whole."""
    outcomes = Outcomes(folder, target)
    target.read(folder)
    others = tuple((folder / name).read_bytes() for name in target.others)

    @settings(
        max_examples=examples,
        derandomize=True,
        database=None,
        deadline=None,  # there is another watch
        phases=[Phase.generate],  # a smaller damage would take as long again
        suppress_health_check=list(HealthCheck),
    )
    @given(damages(outcomes.files[outcomes.path], target.kind, others))
    def run(damage: Damage) -> None:
        outcomes.try_out(damage)

    run()
    return outcomes


def _all(made, record_property, examples) -> None:
    folder, targets = made
    for target in targets:
        started = time.monotonic()
        outcomes = fuzzed(folder, target, examples(target))
        seconds = time.monotonic() - started
        record_property("fuzz", f"{target.name}: {outcomes.tried} inputs, {outcomes.refused} refused, {seconds:.1f} s")
        assert outcomes.refused, f"{target.name}: not one input was refused"


def test_damaged_files_are_refused_or_read(made, record_property):
    _all(made, record_property, lambda target: max(LEAST, target.thorough // QUICK))


@pytest.mark.thorough
def test_thousands_of_damaged_files_are_refused_or_read(made, record_property):
    _all(made, record_property, lambda target: target.thorough)


def _for_ever(_: Path) -> None:
    while True:
        pass


def _accepts(folder: Path) -> None:
    (folder / "file").read_bytes()


def _swallows(folder: Path) -> None:
    with suppress(Exception):
        _for_ever(folder)


def _in_two_lines(_: Path) -> None:
    raise PqganError("one\nand another")


@pytest.mark.parametrize(
    ("read", "sealed", "message"),
    [
        (_for_ever, False, "HangError: longer than 0.2 s"),
        (_swallows, False, "HangError: longer than 0.2 s"),
        (lambda folder: time.sleep(5), False, "HangError: longer than 0.2 s"),
        (lambda folder: (folder / "pipe").read_bytes(), False, "HangError: longer than 0.2 s"),
        (lambda folder: {}["missing"], False, "KeyError: 'missing'"),
        (_in_two_lines, False, "more than a line"),
        (_accepts, True, "damaged and accepted"),
        (lambda folder: None, False, "read where there is no file"),
    ],
)
def test_what_a_reader_must_not_do_is_seen(tmp_path, monkeypatch, read, sealed, message):
    monkeypatch.setitem(globals(), "PATIENCE", 0.2)
    (tmp_path / "file").write_text("whole")
    os.mkfifo(tmp_path / "pipe")
    damage = Damage("missing", remove) if "no file" in message else Damage("more", lambda path: path.write_text("more"))
    outcomes = Outcomes(tmp_path, Target("target", "file", "text", read, 1, sealed=sealed))
    with pytest.raises(AssertionError, match=message):
        outcomes.try_out(damage)
    assert (tmp_path / "file").read_text() == "whole"


def test_the_same_inputs_are_made_at_every_run(tmp_path):
    def refuse(folder: Path) -> None:
        if (folder / "file").is_file():
            seen[-1].append((folder / "file").read_bytes())
        raise PqganError("refused")

    seen: list[list[bytes]] = []
    (tmp_path / "file").write_text('{"a": [1, 2], "b": {"c": "text"}}')
    for _ in range(2):
        seen.append([])
        outcomes = Outcomes(tmp_path, Target("target", "file", "json", refuse, 1))
        settings(max_examples=60, derandomize=True, database=None, phases=[Phase.generate], deadline=None)(
            given(damages(outcomes.files[tmp_path / "file"], "json"))(outcomes.try_out)
        )()
    assert seen[0] == seen[1]
    assert len(set(seen[0])) > 30
