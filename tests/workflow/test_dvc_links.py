"""Every way in which DVC links a checkout to its cache: a file that may not be written stops no rule, and stays."""

import json
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

pytestmark = pytest.mark.thorough
REFLINKS = "PQGAN_TEST_REFLINK_DIR"
"""Environment variable: a folder on a file system with reflinks (btrfs, XFS)."""


def runs(*command) -> bool:
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def has_reflinks(folder: Path) -> bool:
    (folder / "probe").write_bytes(b"content")
    return runs("cp", "--reflink=always", folder / "probe", folder / "reflink")


def mounted(folder: Path, image: Path) -> bool:
    """Whether a file system with reflinks, in a file, could be mounted there."""
    search = os.pathsep.join([os.environ["PATH"], "/usr/sbin", "/sbin"])
    with image.open("wb") as file:
        file.truncate(1 << 30)  # a file with holes: what is written takes space
    for name, *options in (("mkfs.xfs", "-q", "-f", "-m", "reflink=1"), ("mkfs.btrfs", "-q", "-f")):
        program = shutil.which(name, path=search)
        if program and runs(program, *options, image) and runs("mount", "-o", "loop", image, folder):
            return True
    return False


@pytest.fixture
def with_reflinks(tmp_path) -> Iterator[Path]:
    """A folder with reflinks: the one that was named, any here, or a file system that root mounts for the test."""
    if REFLINKS in os.environ:
        with tempfile.TemporaryDirectory(dir=os.environ[REFLINKS]) as name:
            assert has_reflinks(Path(name)), f"{REFLINKS}: {os.environ[REFLINKS]} has no reflinks"
            yield Path(name)
    elif has_reflinks(tmp_path):
        yield tmp_path
    else:
        folder = tmp_path / "mounted"
        folder.mkdir()
        if os.geteuid() != 0 or not mounted(folder, tmp_path / "image"):
            pytest.skip(f"no reflinks here, and none could be mounted: set {REFLINKS} to a folder on btrfs or XFS")
        try:
            yield folder
        finally:
            subprocess.run(["umount", folder], check=True)


def shared_blocks(file: Path) -> list[str]:
    """Where on the disk a file's extents lie that another file has too."""
    said = subprocess.run(["filefrag", "-s", "-v", file], capture_output=True, text=True, check=True).stdout
    return re.findall(r"^ *\d+: +\d+\.\. +\d+: +(\d+\.\. +\d+): .*\bshared\b", said, re.MULTILINE)


def without_power_over_modes() -> list[str]:
    """A command that takes from root what lets it write files that may not be written; nothing for anyone else."""
    if os.geteuid() != 0:
        return []
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        pytest.skip("root may write any file, and there is no setpriv to take that away")
    rights = "-dac_override,-dac_read_search"
    return [setpriv, f"--bounding-set={rights}", f"--inh-caps={rights}"]


@pytest.mark.parametrize("kind", ["copy", "hardlink", "symlink", "reflink"])
def test_every_link_type_of_dvc_lets_rules_write(request, finished, tmp_path, kind):
    place = request.getfixturevalue("with_reflinks") if kind == "reflink" else tmp_path
    checkout = finished.clone(place / "linked")
    checkout.run("dvc", "config", "cache.type", kind)
    checkout.pull()
    # a rendered item of another plan, so that its rule must write it again
    content = {f"figure2.{suffix}": f'{{"item": "old {suffix}"}}'.encode() for suffix in ("pdf", "png", "json")}
    checkout.commit_reports(content)
    reports = checkout.folder / "reports"
    kept = {name: checkout.cached(reports / name) for name in content}
    linked = {checkout.weights: checkout.cached(checkout.weights)}
    linked |= {reports / name: file for name, file in kept.items()}
    for file, original in linked.items():
        assert file.is_symlink() == (kind == "symlink")
        assert file.samefile(original) == (kind in ("symlink", "hardlink"))
        assert (file.stat().st_mode & 0o222 == 0) == (kind in ("symlink", "hardlink"))
    if kind == "reflink":
        assert shared_blocks(checkout.weights) == shared_blocks(linked[checkout.weights]) != []
    checkout.before = without_power_over_modes()
    checkout.change("scales.smoke.evaluation.showcase", 1)
    assert checkout.planned("tokenizers") == {"evaluate_tokenizer": 3}
    metrics, selected = (checkout.plan.job(*name).path for name in (("evaluate", "f8-d16-S4-K64"), ("select", "f8")))
    checkout.run("snakemake", "--cores", "1", "--", metrics, "reports/figure2.pdf")
    assert json.loads((reports / "figure2.json").read_text())["item"] == "figure2"
    assert {name: file.read_bytes() for name, file in kept.items()} == content, "DVC's own must not be written to"
    # a result made once more in its place
    checkout.run("snakemake", "--cores", "1", "--force", "--", selected)
    assert "as it was written" in checkout.run("pqgan", "verify")
