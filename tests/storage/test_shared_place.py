"""Where a result is shared goes by all of its settings."""

from pathlib import Path

from pqgan.storage import shared


def test_a_place_is_of_chapter_name_and_digest(monkeypatch):
    monkeypatch.setenv(shared.VARIABLE, "/somewhere")
    assert shared.place("data", "train", "abc") == Path("/somewhere/data/train-abc")
    others = {("data", "train", "abd"), ("data", "val", "abc"), ("reference", "train", "abc")}
    places = {shared.place(*other) for other in others}
    assert len(places | {shared.place("data", "train", "abc")}) == 4
    monkeypatch.delenv(shared.VARIABLE)
    assert shared.place("data", "train", "abc") is None
