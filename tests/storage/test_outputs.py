"""Each refusal of an output by its own words, and what of an earlier result is replaced."""

import re
from pathlib import Path

import pytest

from pqgan.errors import SettingsError
from pqgan.storage.manifest import read_sums
from pqgan.storage.outputs import check_file, check_folder, check_signed, new_result
from pqgan.storage.signed import is_signed_page, signed_page, write_signed


@pytest.fixture
def result(tmp_path, monkeypatch):
    """An earlier result of kind `samples`, in an otherwise empty folder that is no home."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    place = tmp_path / "results/one"
    with new_result(place, "samples") as folder:
        (folder / "image.png").write_text("pixels")
    return place


def refused(said: str, out: Path | str, kind: str | None = "samples", **more) -> None:
    with pytest.raises(SettingsError, match=re.escape(said)):
        check_folder(out, kind, **more)


def test_an_earlier_result_of_the_kind_and_nothing_at_all_are_replaced(result, tmp_path):
    assert read_sums(result).kind == "samples"
    (tmp_path / "empty").mkdir()
    for out in (result, tmp_path / "empty", tmp_path / "new"):
        check_folder(out, "samples")


def test_the_current_folder_and_home_are_refused_though_empty(result, tmp_path, monkeypatch):
    for name in ("work", "home"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path / "work")
    for out in ("", ".", tmp_path / "work"):
        refused("is the current folder", out)
    refused("holds the current folder", "..")
    refused("is the home folder", tmp_path / "home")


def test_a_result_that_holds_the_current_folder_is_refused(result, tmp_path, monkeypatch):
    with new_result(tmp_path / "deep", "samples") as folder:
        (folder / "part").mkdir()
        (folder / "part/image.png").write_text("pixels")
    monkeypatch.chdir(tmp_path / "deep/part")
    refused("holds the current folder", tmp_path / "deep")


def test_a_link_to_an_earlier_result_is_refused(result, tmp_path):
    (tmp_path / "link").symlink_to(result)
    refused("is a link", tmp_path / "link")
    (tmp_path / "page").symlink_to(result / "image.png")
    with pytest.raises(SettingsError, match="is a link"):
        check_file(tmp_path / "page", lambda path: True, "ours")


def test_inputs_are_kept_apart(result):
    refused("is what --model names", result, apart={"--model": result})
    refused("holds what --model names", result, apart={"--none": None, "--model": result / "image.png"})
    refused("lies in what --model names", result / "new", apart={"--model": result})
    check_folder(result, "samples", apart={"--model": result.parent / "other"})


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda place: (place / "notes.txt").write_text("mine"), "holds notes.txt, which is not of the result"),
        (lambda place: (place / "image.png").write_text("pixelt"), "was changed ("),
        (lambda place: (place / "image.png").unlink(), "image.png: missing"),
        (lambda place: (place / ".git").mkdir(), "is the root of a git repository"),
        (lambda place: (place / "SHA256SUMS").unlink(), "has no SHA256SUMS"),
        (lambda place: (place / "SHA256SUMS").write_text("nothing"), "its SHA256SUMS cannot be read"),
    ],
)
def test_what_is_no_longer_as_it_was_written_is_refused(result, change, said):
    change(result)
    refused(said.removeprefix("is "), result)
    with pytest.raises(SettingsError), new_result(result, "samples"):
        raise AssertionError("the work has begun")


def test_another_kind_is_refused_by_name(result):
    refused("is a samples result; only adapt results", result, "adapt")
    refused("is there and no empty folder", result, None)


def test_where_a_disk_is_mounted_and_below_a_file_nothing_is_made(result, tmp_path, monkeypatch):
    refused("is a file; expected a folder", result / "image.png")
    refused("image.png is a file", result / "image.png/new")
    (tmp_path / "disk").mkdir()
    monkeypatch.setattr("os.path.ismount", lambda path: Path(path) == tmp_path / "disk")
    refused("is where a disk is mounted", tmp_path / "disk")


def test_a_signed_file_is_replaced_by_its_own_command_as_it_was_written(tmp_path):
    file = tmp_path / "bench.json"
    write_signed(file, {"seconds": 1.5}, "pqgan bench train")
    check_signed(file, "pqgan bench train")
    with pytest.raises(SettingsError, match="not a file of pqgan bench evaluation"):
        check_signed(file, "pqgan bench evaluation")
    file.write_text(file.read_text().replace("1.5", "1.4"))
    with pytest.raises(SettingsError, match="not a file of pqgan bench train as it was written"):
        check_signed(file, "pqgan bench train")


@pytest.mark.parametrize("page", ["<p>a report</p>", "<p>a report</p>\n"])
def test_a_signed_page_is_known_until_it_is_changed(tmp_path, page):
    file = tmp_path / "report.html"
    file.write_text(signed_page(page, "pqgan report"))
    assert is_signed_page(file, "pqgan report")
    assert not is_signed_page(file, "pqgan render")
    file.write_text(file.read_text().replace("a report", "my report"))
    assert not is_signed_page(file, "pqgan report")
