"""A result is made once for all checkouts of a machine."""

import os
import re

import pytest

from pqgan.errors import DataError, SettingsError
from pqgan.storage import shared
from pqgan.storage.manifest import damages
from pqgan.storage.outputs import new_result


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.setenv("PQGAN_SHARED_DIR", str(tmp_path / "shared"))
    return shared.place("data", "train", "0" * 64)


@pytest.fixture
def made(tmp_path):
    with new_result(tmp_path / "one/result", "data") as folder:
        (folder / "deep").mkdir()
        (folder / "deep/file").write_text("content")
    (tmp_path / "one/result/.snakemake_timestamp").touch()
    return tmp_path / "one/result"


def test_nothing_is_shared_without_the_variable(monkeypatch):
    monkeypatch.delenv("PQGAN_SHARED_DIR", raising=False)
    assert shared.place("data", "train", "0" * 64) is None


def test_what_one_checkout_made_another_takes(tmp_path, place, made):
    assert not shared.take(place, tmp_path / "two/result", "data")
    shared.give(made, place)
    assert shared.take(place, tmp_path / "two/result", "data")
    other = tmp_path / "two/result"
    assert (other / "deep/file").read_text() == "content"
    assert (other / "deep/file").samefile(made / "deep/file"), "a terabyte must not lie on the disk twice"
    assert not (other / ".snakemake_timestamp").exists()
    assert damages(other) == []


def test_what_is_taken_can_be_taken_again_and_nothing_else_is_replaced(tmp_path, place, made):
    shared.give(made, place)
    assert shared.take(place, tmp_path / "two/result", "data")
    assert shared.take(place, tmp_path / "two/result", "data")
    (tmp_path / "two/result/mine").touch()
    with pytest.raises(SettingsError, match="holds mine, which is not of the result"):
        shared.take(place, tmp_path / "two/result", "data")


def test_a_file_system_without_links_gets_copies(tmp_path, place, made, monkeypatch):
    def refused(*_):
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", refused)
    shared.give(made, place)
    assert shared.take(place, tmp_path / "two/result", "data")
    assert not (tmp_path / "two/result/deep/file").samefile(made / "deep/file")
    assert damages(tmp_path / "two/result") == []


def test_a_damaged_one_is_refused_and_named(tmp_path, place, made):
    shared.give(made, place)
    (place / "deep/file").write_text("Content")
    expected = rf"{re.escape(str(place))}/deep/file: sha256 is .*; delete {re.escape(str(place))}"
    with pytest.raises(DataError, match=expected):
        shared.take(place, tmp_path / "two/result", "data")
    assert not (tmp_path / "two").exists()


def test_the_first_to_share_wins(place, made):
    shared.give(made, place)
    before = (place / "SHA256SUMS").read_text()
    (made / "SHA256SUMS").unlink()
    shared.give(made, place)
    assert (place / "SHA256SUMS").read_text() == before


def test_a_folder_that_cannot_be_written_costs_only_the_sharing(tmp_path, made, monkeypatch, capsys):
    (tmp_path / "file").touch()
    monkeypatch.setenv("PQGAN_SHARED_DIR", str(tmp_path / "file"))
    shared.give(made, shared.place("data", "train", "0" * 64))
    error = capsys.readouterr().err
    assert "cannot be written" in error
    assert "the result is not shared" in error
    assert error.count("\n") == 1
