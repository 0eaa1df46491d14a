"""SHA256SUMS: every file of a result is listed, and every change of one is named."""

import os
import subprocess

import pytest

from pqgan.storage.manifest import SUMS, damages, new_result, sha256, write_sums


@pytest.fixture
def result(tmp_path):
    with new_result(tmp_path / "result") as folder:
        (folder / "deep").mkdir()
        (folder / "model.safetensors").write_bytes(os.urandom(1000))
        (folder / "deep/a name with  spaces").write_text("x")
    return tmp_path / "result"


def test_a_result_lists_its_files_as_sha256sum_reads_them(result):
    check = subprocess.run(["sha256sum", "--strict", "-c", SUMS], cwd=result, capture_output=True, text=True)
    assert check.returncode == 0, check.stderr
    assert sorted(check.stdout.splitlines()) == ["deep/a name with  spaces: OK", "model.safetensors: OK"]
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


@pytest.mark.parametrize("content", [b"nonsense\n", bytes(range(128, 256))])
def test_a_list_that_cannot_be_read_is_named(result, content):
    (result / SUMS).write_bytes(content)
    (line,) = damages(result)
    assert line.startswith(f"{result}/SHA256SUMS: cannot be read; expected a line of sha256 and name")


def test_a_list_that_is_cut_short_or_gone_is_named(result):
    lines = (result / SUMS).read_text().splitlines(keepends=True)
    (result / SUMS).write_text(lines[0])
    assert damages(result) == [f"{result}/model.safetensors: not listed in SHA256SUMS"]
    (result / SUMS).unlink()
    assert damages(result) == [f"{result}/SHA256SUMS: missing"]


def test_a_known_hash_is_taken_as_it_is(tmp_path):
    (tmp_path / "large").write_text("x")
    write_sums(tmp_path, {"large": "0" * 64})
    assert (tmp_path / SUMS).read_text() == f"{'0' * 64}  large\n"
