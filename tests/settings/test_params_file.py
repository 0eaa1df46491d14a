"""params.yaml as a file: whatever stands in its place is refused at once, in one line."""

import os
import stat
import time
from itertools import pairwise

import pytest

from pqgan.cli import main
from pqgan.errors import SettingsError
from pqgan.settings import load, read_params

FILES = {
    "empty": (b"", ["got nothing", "scale, readings and scales"]),
    "a list": (b"- 1", ["got list"]),
    "not UTF-8": (b"scale: caf\xe9", ["byte 10 is not UTF-8"]),
    "UTF-16": ("scale: smoke".encode("utf-16"), ["not UTF-8"]),
    "control characters": (b"scale: a\x00b", ["not YAML", "#x0000"]),
    "a key twice": (
        b"scale: smoke\nreadings: {}\nscale: paper",
        ["line 3: key 'scale' for the second time, after line 1"],
    ),
    "a key twice, spelled apart": (b"yes: 1\non: 2", ["line 2: key 'on' for the second time"]),
    "merged twice": (b"a: &a {b: 1}\nc: {<<: *a, <<: *a}", ["line 2: key '<<' for the second time"]),
    "a key that is a list": (b"? [a]\n: b", ["a key is a list or a mapping"]),
    "a tag": (b"a: !!python/name:os.system x", ["not YAML", "python/name"]),
    "two documents": (b"a: 1\n---\na: 2", ["not YAML", "single document"]),
    "no such date": (b"a: 2024-13-45", ["line 1: got 2024-13-45", "text in quotes"]),
    "an integer of many digits": (b"a: " + b"9" * 5000, ["line 1: a number of 5,000 characters"]),
    "a number of base 60": (b"a: " + b"9:" * 20000 + b"9", ["line 1: a number of 40,001 characters"]),
    "nested lists": (b"a: " + b"[" * 20000, ["more than 60 lists and mappings inside each other"]),
    "nested mappings": (b"{a: " * 20000, ["more than 60 lists and mappings inside each other"]),
    "nested by aliases": (
        b"- &a0 [x]\n" + b"".join(b"- &a%d [*a%d]\n" % (after, before) for before, after in pairwise(range(3000))),
        ["line 60: more than 60 lists and mappings inside each other"],
    ),
    "aliases that multiply": (
        b"a0: &a0 [x]\n"
        + b"".join(b"a%d: &a%d [%s]\n" % (n, n, b",".join([b"*a%d" % (n - 1)] * 9)) for n in range(1, 50)),
        ["more than 200,000 values once each alias is its value"],
    ),
    "merges that multiply": (
        b"a0: &a0 {x: 1}\n"
        + b"".join(b"a%d: &a%d {<<: [%s]}\n" % (n, n, b",".join([b"*a%d" % (n - 1)] * 9)) for n in range(1, 50)),
        ["more than 200,000 values once each alias is its value"],
    ),
    "itself": (b"a: &a {b: *a}", ["line 1: an alias stands inside what it names"]),
    "too many values": (b"a: [" + b"1," * 450_000 + b"1]", ["more than 200,000 values"]),
    "too many bytes": (b"# " + b"a" * 10**6, ["has 1,000,002 bytes; allowed: at most 1,000,000"]),
}


def refused(path, *expected: str) -> None:
    began = time.process_time()
    with pytest.raises(SettingsError) as caught:
        load(path)
    assert time.process_time() - began < 2
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert message.isprintable()
    assert len(message) < len(str(path)) + 500
    for part in expected:
        assert part in message, message


@pytest.mark.parametrize(("content", "expected"), FILES.values(), ids=FILES)
def test_content_that_says_nothing_or_two_things_is_refused(tmp_path, content, expected):
    path = tmp_path / "params.yaml"
    path.write_bytes(content)
    refused(path, *expected)


def test_what_is_no_file_is_refused_without_being_read(tmp_path):
    refused(tmp_path, "is a folder")
    os.mkfifo(tmp_path / "pipe")
    refused(tmp_path / "pipe", "a pipe, socket or device")
    (tmp_path / "loop").symlink_to("loop")
    refused(tmp_path / "loop", "cannot be read", "symbolic links")
    (tmp_path / "file").touch()
    refused(tmp_path / "file" / "params.yaml", "cannot be read", "Not a directory")


@pytest.mark.skipif(not os.path.exists("/dev/zero"), reason="no /dev/zero")
def test_a_device_is_refused_without_being_read(tmp_path):
    (tmp_path / "zero").symlink_to("/dev/zero")
    refused(tmp_path / "zero", "a pipe, socket or device")


def test_a_file_without_rights_is_refused(tmp_path, params_path):
    path = tmp_path / "params.yaml"
    path.write_bytes(params_path.read_bytes())
    path.chmod(stat.S_IWUSR)
    if os.access(path, os.R_OK):
        pytest.skip("rights do not bind this user")
    refused(path, "cannot be read", "Permission denied")


def test_a_byte_order_mark_is_no_part_of_the_first_key(tmp_path, params_path):
    path = tmp_path / "params.yaml"
    path.write_bytes(b"\xef\xbb\xbf" + params_path.read_bytes())
    assert read_params(path) == read_params(params_path)
    path.write_bytes(b"\xef\xbb\xbfscale: smoke")
    assert read_params(path) == {"scale": "smoke"}


def test_a_merged_key_may_be_given_another_value(tmp_path):
    path = tmp_path / "params.yaml"
    path.write_text("a: &a {x: 1, y: 2}\nb: {<<: *a, x: 3}\nc: {<<: [*a, {z: 4}]}")
    assert read_params(path) == {"a": {"x": 1, "y": 2}, "b": {"x": 3, "y": 2}, "c": {"x": 1, "y": 2, "z": 4}}


@pytest.mark.parametrize("scale", ["", "smoke ", "smoke,paper", "no\nsuch", "x" * 10_000])
def test_a_scale_that_there_is_not_is_one_line_and_exit_code_2(params_path, capsys, scale):
    assert main(["plan", "--params", str(params_path), "--scale", scale]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "allowed: smoke, mini" in said
    assert len(said) < 600
