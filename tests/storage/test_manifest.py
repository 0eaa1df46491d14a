"""SHA256SUMS: every file of a result is listed, and every change of one is named."""

import os
import subprocess

import pytest

from pqgan.errors import DataError
from pqgan.storage.manifest import SUMS, check_listed, damages, read_sums, sha256, write_sums
from pqgan.storage.outputs import new_result


@pytest.fixture
def result(tmp_path):
    with new_result(tmp_path / "result", "toy") as folder:
        (folder / "deep").mkdir()
        (folder / "model.safetensors").write_bytes(os.urandom(1000))
        (folder / "deep/a name with  spaces").write_text("x")
    return tmp_path / "result"


def test_a_result_lists_its_files_as_sha256sum_reads_them(result):
    check = subprocess.run(["sha256sum", "--strict", "-c", SUMS], cwd=result, capture_output=True, text=True)
    assert check.returncode == 0, check.stderr
    assert sorted(check.stdout.splitlines()) == ["deep/a name with  spaces: OK", "model.safetensors: OK"]
    assert read_sums(result).kind == "toy"
    assert damages(result) == []


def test_one_flipped_bit_is_named_with_both_hashes(result):
    path = result / "model.safetensors"
    before = sha256(path)
    content = bytearray(path.read_bytes())
    content[500] ^= 1
    path.write_bytes(content)
    assert damages(result) == [f"{path}: sha256 is {sha256(path)}; SHA256SUMS lists {before}"]


def test_missing_and_added_files_are_named(result):
    (result / "deep/a name with  spaces").unlink()
    (result / "added").write_text("x")
    (result / ".snakemake_timestamp").touch()
    assert damages(result) == [
        f"{result}/deep/a name with  spaces: missing",
        f"{result}/added: not listed in SHA256SUMS",
    ]


LINE = b"0" * 64 + b"  "


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"nonsense\n", "has a line of another form, or is cut short"),
        (LINE + b"cut", "has a line of another form, or is cut short"),
        (LINE + b"a\n\n", "has a line of another form, or is cut short"),
        (bytes(range(128, 256)), "not UTF-8 text"),
        (2 * (LINE + b"model.safetensors\n"), "lists a file twice"),
        (LINE + b"../secret\n", "lists ../secret, outside its folder"),
        (LINE + b"/etc/passwd\n", "lists /etc/passwd, outside its folder"),
    ],
)
def test_a_list_that_cannot_be_used_is_named(result, content, why):
    (result / SUMS).write_bytes(content)
    assert damages(result) == [
        f"{result}/SHA256SUMS: {why}; expected a line of sha256 and name for each file of the folder"
    ]


def test_a_pipe_or_folder_in_place_of_a_file_is_named_at_once(result):
    (result / "model.safetensors").unlink()
    os.mkfifo(result / "model.safetensors")
    (result / "deep/a name with  spaces").unlink()
    (result / "deep/a name with  spaces").mkdir()
    assert damages(result) == [
        f"{result}/deep/a name with  spaces: cannot be read: no regular file",
        f"{result}/model.safetensors: cannot be read: no regular file",
    ]


def test_a_name_that_would_break_the_line_is_escaped(result):
    (result / SUMS).write_bytes(LINE + b"a\x1b[31m\r\xef\xbb\xbf\n")
    (result / "b\n").touch()
    assert all(line.isprintable() for line in damages(result))


def test_a_part_of_a_folder_is_looked_at_alone(result):
    (result / "model.safetensors").write_text("x")
    assert damages(result, "deep") == []
    (result / "deep/added").write_text("x")
    assert damages(result, "deep") == [f"{result}/deep/added: not listed in SHA256SUMS"]


def test_a_list_that_is_cut_short_or_gone_is_named(result):
    lines = (result / SUMS).read_text().splitlines(keepends=True)
    (result / SUMS).write_text("".join(lines[:2]))
    assert damages(result) == [f"{result}/model.safetensors: not listed in SHA256SUMS"]
    (result / SUMS).unlink()
    assert damages(result)[0].startswith(f"{result}/SHA256SUMS: no such file; expected a line of sha256")


def test_a_known_hash_is_taken_as_it_is(tmp_path):
    (tmp_path / "large").write_text("x")
    write_sums(tmp_path, "toy", {"large": "0" * 64})
    assert (tmp_path / SUMS).read_text() == f"# pqgan toy\n{'0' * 64}  large\n"


def test_a_file_that_its_folder_does_not_list_is_not_read(result):
    check_listed(result / "model.safetensors")
    (result / "mine.json").write_text("{}")
    with pytest.raises(DataError, match="SHA256SUMS does not list it; delete"):
        check_listed(result / "mine.json")
