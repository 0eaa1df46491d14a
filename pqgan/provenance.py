"""Where a result comes from: settings, code, packages, machine, time and memory."""

import json
import os
import platform
import resource
import subprocess
import sys
import time
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from pqgan.job import Job
from pqgan.storage.atomic import write_text

PACKAGES = (
    "pqgan",
    "torch",
    "torchvision",
    "lightning-fabric",
    "diffusers",
    "transformers",
    "lpips",
    "numpy",
    "pillow",
)

PATIENCE = 10
"""Seconds that git has to answer."""

_started = time.time()


def _git(*arguments: str) -> str | None:
    """What git says; None where it says nothing, because what was measured must not be lost for want of it."""
    command = ["git", "-C", Path(__file__).parent, *arguments]
    try:
        result = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=PATIENCE, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return result.stdout.decode(errors="replace").strip() if result.returncode == 0 else None


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def _device() -> dict[str, Any]:
    """The accelerator where torch is loaded and sees one, else the processor; never loads torch itself."""
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_initialized():
        devices = torch.distributed.get_world_size() if torch.distributed.is_initialized() else 1
        return {
            "device": f"{devices} x {torch.cuda.get_device_name()}",
            "peak_memory_bytes": torch.cuda.max_memory_allocated(),
            "peak_memory_of": "accelerator, allocated",
        }
    threads = torch.get_num_threads() if torch is not None else 1
    return {
        "device": f"cpu ({platform.machine()}, {threads} of {os.cpu_count()} threads)",
        "peak_memory_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        "peak_memory_of": "process, resident",
    }


def environment() -> dict[str, Any]:
    """Code, packages, command, device, memory, and the seconds since this process started."""
    revision = _git("rev-parse", "HEAD")
    status = revision and _git("status", "--porcelain", "--untracked-files=no")
    return {
        "git": {"revision": revision, "modified": None if status is None else bool(status)},
        "packages": _versions(),
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "seconds": round(time.time() - _started, 2),
        "command": " ".join(["pqgan", *sys.argv[1:]]),
        **_device(),
    }


def provenance(job: Job, **more: Any) -> dict[str, Any]:
    """The provenance of a result that this process has just made.

    Args:
        job: the plan's job; its spec, digest and inputs are recorded.
        more: entries besides.
    """
    return {
        # made of other things it is not what the digest says
        "job": job.identity | ({"digest": None} if job.handed else {}),
        "settings": dict(job.spec),
        "inputs": {role: job.handed.get(role, other.path) for role, other in job.inputs.items()},
        **environment(),
        **more,
    }


def write_provenance(folder: Path, job: Job, **more: Any) -> None:
    """Write `provenance.json`, with more entries besides, into the folder of a result."""
    write_text(folder / "provenance.json", json.dumps(provenance(job, **more), indent=1) + "\n")
