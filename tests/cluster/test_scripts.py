"""up and down: started twice it is one cluster, and a cluster of somebody else is left alone."""

import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).parent
CONFIGURATION = Path("/etc/slurm/slurm.conf")


def script(name: str, folder: Path) -> subprocess.CompletedProcess:
    return subprocess.run([HERE / name, folder], capture_output=True, text=True, check=False)


@pytest.fixture
def unchanged(cluster, daemon, slurm):
    """The cluster has the same daemons after the test, and works."""
    before = [daemon("slurmctld"), daemon("slurmd")]
    yield
    assert [daemon("slurmctld"), daemon("slurmd")] == before
    assert CONFIGURATION.readlink() == cluster / "slurm.conf"
    assert slurm("sinfo", "--noheader", "--format=%T").strip() in ("idle", "mixed", "allocated")


@pytest.mark.usefixtures("unchanged")
def test_up_twice_is_up_once(cluster):
    again = script("up", cluster)
    assert (again.returncode, again.stderr) == (0, "")


@pytest.mark.usefixtures("unchanged")
def test_a_slurm_that_is_there_is_refused_in_one_line(tmp_path):
    other = script("up", tmp_path / "other")
    assert other.returncode == 77
    assert other.stderr == f"skipped: this machine has a Slurm of its own: {CONFIGURATION}\n"
    assert not (tmp_path / "other").exists()


@pytest.mark.usefixtures("unchanged")
def test_down_stops_and_removes_only_its_own(tmp_path):
    (tmp_path / "slurm.conf").write_text("ClusterName=somebody\n")
    assert script("down", tmp_path).returncode == 0
    assert (tmp_path / "slurm.conf").exists()
