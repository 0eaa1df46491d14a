"""The compiled search, built on first use with whatever C++ compiler there is, and kept for later processes."""

import ctypes
import hashlib
import os
import platform
import shlex
import shutil
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

from pqgan.errors import ResourceError
from pqgan.storage import atomic

SOURCE = Path(__file__).parent / "nearest.cpp"
FLAGS = ("-std=c++17", "-O3", "-ffp-contract=fast", "-fPIC", "-shared", "-pthread")
TUNINGS = (("-march=native",), ())
"""Tried in turn: not every compiler knows its own machine."""
COMPILERS = ("c++", "g++", "clang++")
TIMEOUT = 300
"""Seconds a compiler may take."""


def load() -> ctypes.CDLL:
    """The library: from the cache where it lies whole, else newly built and put there.

    The cache is $PQGAN_CACHE_DIR, or pqgan/ in $XDG_CACHE_HOME or ~/.cache; each user has a folder in it. A file's name
    tells its sources, compiler, flags and processor, so that machines may share the folder, and its content, so that
    damage shows. Where the folder cannot be written, or others may write to it, the library serves this process only.

    Raises:
        ResourceError: no compiler, or it fails, or what it built cannot be loaded.
    """
    compiler = find_compiler()
    name = f"nearest-{_key(compiler)}"
    folder = _trusted_cache()
    for cached in sorted(folder.glob(f"{name}-*.so")) if folder else ():
        try:
            if is_own(cached) and cached.name == _named(name, cached.read_bytes()):
                return ctypes.CDLL(str(cached))
        except OSError:
            continue  # unreadable, or where nothing may be executed
    with tempfile.TemporaryDirectory(prefix="pqgan-") as temporary:
        built = Path(temporary) / "nearest.so"
        _compile(compiler, built)
        if folder:
            content = built.read_bytes()
            kept = folder / _named(name, content)
            try:
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                atomic.write_bytes(kept, content)
                return ctypes.CDLL(str(kept))
            except (OSError, ResourceError):
                pass  # the one just built is as good, but not for the next process
        try:
            return ctypes.CDLL(str(built))  # stays open when its file is gone
        except OSError as error:
            raise ResourceError(f"{built}: cannot be loaded: {error}") from None


def find_compiler() -> list[str]:
    """Command of the first of $CXX and COMPILERS that is installed.

    Raises:
        ResourceError: none is.
    """
    for command in (shlex.split(os.environ.get("CXX", "")), *([name] for name in COMPILERS)):
        if command and (path := shutil.which(command[0])):
            return [path, *command[1:]]
    raise ResourceError(f"no C++ compiler found (looked for $CXX, {', '.join(COMPILERS)})")


def _compile(compiler: list[str], target: Path) -> None:
    for tuning in TUNINGS:
        command = [*compiler, *FLAGS, *tuning, str(SOURCE), "-o", str(target)]
        try:
            done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=TIMEOUT)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise ResourceError(f"{shlex.join(compiler)} does not run: {error}") from None
        if done.returncode == 0 and target.is_file():
            return
    lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
    reason = next((line for line in lines if "error" in line), lines[0] if lines else f"exit code {done.returncode}")
    raise ResourceError(f"{shlex.join(compiler)} cannot compile {SOURCE.name}: {reason}")


def _key(compiler: list[str]) -> str:
    """Hash of all that the library depends on; another compiler of the same name differs in size or time."""
    program = os.stat(compiler[0])
    parts = [*compiler, os.path.realpath(compiler[0]), str(program.st_size), str(program.st_mtime_ns), *FLAGS]
    parts += [option for tuning in TUNINGS for option in tuning]
    digest = hashlib.sha256("\0".join([*parts, _processor()]).encode())
    for source in sorted([*SOURCE.parent.glob("*.cpp"), *SOURCE.parent.glob("*.h")]):
        digest.update(source.name.encode() + source.read_bytes())
    return digest.hexdigest()[:16]


def _processor() -> str:
    """Model and features: a library for one processor may crash on another."""
    described = {"model name", "flags", "Features", "CPU implementer", "CPU part", "isa"}  # x86, ARM and RISC-V
    lines: dict[str, str] = {}
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            field, _, value = line.partition(":")
            if field.strip() in described:
                lines.setdefault(field.strip(), value.strip())
    except OSError:
        pass  # not Linux
    return repr([platform.system(), platform.machine(), platform.processor(), sorted(lines.items())])


def _named(name: str, content: bytes) -> str:
    return f"{name}-{hashlib.sha256(content).hexdigest()[:16]}.so"


def _trusted_cache() -> Path | None:
    """This user's folder in the cache, there or not; None where others could put a program into it."""
    cache = _cache()
    if cache is None:
        return None
    folder = cache / f"compiled-{os.geteuid()}"
    try:
        if not folder.exists() or is_own(folder):
            return folder
    except OSError:
        return None
    print(
        f"{folder}: belongs to another user, or others may write to it, so no compiled search is kept there; "
        f"chmod go-w {shlex.quote(str(folder))}, or name another folder in PQGAN_CACHE_DIR",
        file=sys.stderr,
    )
    return None


def is_own(path: Path) -> bool:
    """Whether a file or folder belongs to this user and nobody else may write to it."""
    status = path.stat()
    return status.st_uid == os.geteuid() and not status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)


def _cache() -> Path | None:
    if chosen := os.environ.get("PQGAN_CACHE_DIR"):
        return Path(chosen)
    if shared := os.environ.get("XDG_CACHE_HOME"):
        return Path(shared) / "pqgan"
    try:
        return Path.home() / ".cache" / "pqgan"
    except RuntimeError:
        return None  # a user without a home
