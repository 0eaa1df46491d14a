"""Building the compiled search: once, safely, and with one clear line where it cannot be."""

import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest

from pqgan.errors import ResourceError
from pqgan.quantise.matching import build, native

ALONE = """
import importlib.util, sys
spec = importlib.util.spec_from_file_location("build", sys.argv[1])
build = importlib.util.module_from_spec(spec)
spec.loader.exec_module(build)
build.SOURCE = build.Path(sys.argv[2])
print(build.load().answer())
"""
"""A process that loads the library without the seconds PyTorch takes to import."""


@pytest.fixture
def setting(tmp_path, monkeypatch):
    """A tiny source, an empty cache and temporary folder, and a compiler that notes its calls."""
    try:
        real = build.find_compiler()[0]
    except ResourceError as error:
        pytest.skip(str(error))
    source = tmp_path / "source" / "nearest.cpp"
    source.parent.mkdir()
    source.write_text('extern "C" int answer() { return 42; }\n')
    monkeypatch.setattr(build, "SOURCE", source)
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr(build.tempfile, "tempdir", str(temporary))
    monkeypatch.setenv("PQGAN_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.delenv(native.SWITCH, raising=False)

    def compiler(before: str = "") -> None:
        script = tmp_path / "compiler"
        script.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/calls\n{before}\nexec {real} "$@"\n')
        script.chmod(0o755)
        monkeypatch.setenv("CXX", str(script))

    compiler()
    return compiler


@pytest.fixture
def calls(tmp_path):
    """The compiler's calls so far."""
    return lambda: (tmp_path / "calls").read_text().splitlines() if (tmp_path / "calls").exists() else []


def cached(tmp_path) -> list[Path]:
    return sorted((tmp_path / "cache" / f"compiled-{os.geteuid()}").iterdir())


def test_builds_once_and_leaves_one_file(setting, calls, tmp_path):
    assert build.load().answer() == 42
    assert build.load().answer() == 42
    assert len(calls()) == 1
    assert len(cached(tmp_path)) == 1
    assert not list((tmp_path / "temporary").iterdir())


def test_what_the_library_depends_on_makes_another(setting, calls, monkeypatch, tmp_path):
    build.load()
    build.SOURCE.write_text('extern "C" int answer() { return 43; }\n')
    assert build.load().answer() == 43
    (build.SOURCE.parent / "lanes.h").write_text("// included")
    build.load()
    monkeypatch.setattr(build, "FLAGS", (*build.FLAGS, "-DMORE"))
    build.load()
    monkeypatch.setattr(build, "_processor", lambda: "another")
    build.load()
    setting("# another compiler under the same name")
    build.load()
    assert len(calls()) == 6
    build.load()
    assert len(calls()) == 6


def test_the_processor_is_described():
    described = build._processor()
    assert os.uname().machine in described
    if Path("/proc/cpuinfo").exists() and "flags" in Path("/proc/cpuinfo").read_text():
        assert "flags" in described
    assert described == build._processor()


@pytest.mark.parametrize("damage", [b"", b"not a library", None])
def test_a_damaged_library_is_built_again(setting, calls, tmp_path, damage):
    first = build.SOURCE.parent / "other"  # a library once loaded stays open: damage one that was not
    first.mkdir()
    command = [sys.executable, "-c", ALONE, build.__file__, str(build.SOURCE)]
    subprocess.run(command, check=True, capture_output=True)
    (library,) = cached(tmp_path)
    content = library.read_bytes()
    library.write_bytes(content[: len(content) // 2] if damage is None else damage)
    assert build.load().answer() == 42
    assert len(calls()) == 2
    assert build.load().answer() == 42
    assert len(calls()) == 2


def test_a_cache_that_cannot_be_written_serves_this_process(setting, calls, monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("PQGAN_CACHE_DIR", str(tmp_path / "file" / "cache"))
    assert build.load().answer() == 42
    assert not list((tmp_path / "temporary").iterdir())


@pytest.mark.parametrize("whose", ["folder", "file"])
def test_what_others_may_write_to_is_never_loaded(setting, calls, tmp_path, capsys, whose):
    assert build.load().answer() == 42
    (library,) = cached(tmp_path)
    assert library.parent.stat().st_mode & 0o777 == 0o700
    open_to_all = library.parent if whose == "folder" else library
    open_to_all.chmod(0o777)
    assert build.load().answer() == 42
    assert len(calls()) == 2
    assert ("chmod go-w" in capsys.readouterr().err) == (whose == "folder")
    open_to_all.chmod(0o755)
    assert build.load().answer() == 42
    assert len(calls()) == 2


def test_what_another_user_put_there_is_never_loaded(setting, calls, monkeypatch, tmp_path, capsys):
    build.load()
    me = os.geteuid()
    (tmp_path / "cache" / f"compiled-{me}").rename(tmp_path / "cache" / f"compiled-{me + 1}")
    monkeypatch.setattr(os, "geteuid", lambda: me + 1)
    assert build.load().answer() == 42
    assert len(calls()) == 2
    assert "belongs to another user" in capsys.readouterr().err


def test_the_cache_is_the_users(monkeypatch, tmp_path):
    monkeypatch.delenv("PQGAN_CACHE_DIR", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert build._cache() == tmp_path / "pqgan"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert build._cache() == tmp_path / ".cache" / "pqgan"

    def homeless():
        raise RuntimeError

    monkeypatch.setattr(build.Path, "home", homeless)
    assert build._cache() is None


def test_two_processes_at_once_both_end_well(setting, calls, tmp_path):
    setting("sleep 0.5")
    command = [sys.executable, "-c", ALONE, build.__file__, str(build.SOURCE)]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    assert [process.communicate()[0].strip() for process in processes] == ["42", "42"]
    assert len(calls()) == 2
    assert len(cached(tmp_path)) == 1
    assert build.load().answer() == 42
    assert len(calls()) == 2


def test_a_compiler_that_does_not_know_its_machine(setting, calls):
    setting('case "$*" in *-march=native*) echo "error: bad value" >&2; exit 1;; esac')
    assert build.load().answer() == 42
    assert len(calls()) == 2


@pytest.mark.parametrize(
    ("before", "said"),
    [
        ("echo 'nearest.cpp:1: error: no such luck' >&2; echo more >&2; exit 1", "no such luck"),
        ("exit 3", "exit code 3"),
        ("echo 'killed' >&2; exit 137", "killed"),
        ("exec sleep 60", "does not run"),
    ],
)
def test_a_failing_compiler_is_one_line_and_no_second_attempt(
    setting, calls, monkeypatch, caplog, tmp_path, before, said
):
    setting(before)
    monkeypatch.setattr(build, "TIMEOUT", 0.5)
    monkeypatch.setattr(native, "_loaded", [])
    with caplog.at_level(logging.WARNING):
        assert not native.available()
        attempts = len(calls())
        assert not native.available()
    assert len(calls()) == attempts
    (record,) = caplog.records
    assert said in record.getMessage()
    assert "\n" not in record.getMessage()
    assert not (tmp_path / "cache").exists()


def test_no_compiler(setting, monkeypatch, tmp_path):
    monkeypatch.setenv("CXX", "no-such-compiler")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ResourceError, match=r"no C\+\+ compiler"):
        build.load()


def test_a_compiler_that_builds_no_library(setting):
    setting('for last in "$@"; do :; done; echo nothing > "$last"; exit 0')
    with pytest.raises(ResourceError, match="cannot be loaded"):
        build.load()


def test_import_compiles_nothing(setting, calls):
    done = subprocess.run(
        [sys.executable, "-c", "import pqgan.quantise.matching.native as n; print(n._loaded)"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "[]"
    assert not calls()
