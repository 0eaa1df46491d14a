"""Checkouts on the Slurm that `make test-cluster` has started; without one these tests are skipped."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml
from whole_plan import whole_plan

from pqgan.settings import load

ROOT = Path(__file__).parents[2]
SUPPORT = ROOT / "tests/faults/support"
TIMEOUT = 300
"""Seconds after which a workflow counts as stuck."""
TOKENIZER = "f8-d16-S4-K64"
HELD = 6
"""The step (from 0) in which every attempt waits until the test lets it go on."""
HOLDING_PQGAN = """#!{python}
import sys
from pathlib import Path

sys.path.insert(0, {support!r})
from fault_points import AtStep, hold
from fault_runs import command_line

sys.exit(command_line(sys.argv[1:], [AtStep({step}, hold)], Path({marks!r})))
"""


@pytest.fixture(scope="session", autouse=True)
def cluster() -> Path:
    """The state folder of the cluster."""
    folder = os.environ.get("PQGAN_TEST_CLUSTER")
    if not folder:
        pytest.skip("no Slurm to run on: make test-cluster")
    return Path(folder)


def slurm(*command: str) -> str:
    """What a Slurm command says."""
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def wait_for(condition: Callable, what: str, timeout: float = TIMEOUT):
    """The first true value of a condition."""
    end = time.monotonic() + timeout
    while not (value := condition()):
        assert time.monotonic() < end, f"waited {timeout} s until {what}"
        time.sleep(0.1)
    return value


class Checkout:
    """A fresh clone with tiny settings, and the workflows started in it.

    Its Slurm profile looks at its jobs every second, not every twenty; all else is the user's.
    """

    def __init__(self, folder: Path, params: dict, prepared: Path | None):
        self.folder = folder
        shutil.copytree(ROOT / "workflow", folder / "workflow")
        shutil.copy(ROOT / "Snakefile", folder)
        (folder / "slurm").symlink_to("workflow/profiles/slurm")
        (folder / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))
        profile = folder / "slurm/profile.yaml"
        text, found = re.subn(r"(slurm-init-seconds-before-status-checks:) \d+", r"\1 1", profile.read_text())
        assert found == 1
        profile.write_text(text)
        self.plan = whole_plan(load(folder / "params.yaml", "smoke"))
        if prepared:
            shutil.copytree(prepared, self.path("data", "train"))
        self.marks, self.started = folder / "marks", []

    def path(self, chapter: str = "tokenizer", name: str = TOKENIZER) -> Path:
        """Folder of a result."""
        return self.folder / self.target(chapter, name)

    def target(self, chapter: str = "tokenizer", name: str = TOKENIZER) -> str:
        """What the workflow is asked for."""
        return self.plan.job(chapter, name).path

    def run_folder(self, name: str = TOKENIZER) -> Path:
        return self.folder / self.plan.job("tokenizer", name).run_path

    def log(self, chapter: str = "tokenizer", name: str = TOKENIZER) -> Path:
        return self.folder / f"logs/smoke/{chapter}/{self.plan.job(chapter, name).id}.log"

    def hold(self) -> None:
        """Have every training wait in its seventh step until `release`."""
        self.marks.mkdir()
        self._program(
            "pqgan",
            HOLDING_PQGAN.format(python=sys.executable, support=str(SUPPORT), step=HELD, marks=str(self.marks)),
        )

    def scatter(self) -> None:
        """Have every held training see process numbers of its own, as if each were on another machine."""
        (self.folder / "bin/pqgan").rename(self.folder / "bin/held")
        held = self.folder / "bin/held"
        self._program("pqgan", f'#!/bin/sh\nexec unshare --pid --fork --mount-proc {held} "$@"\n')

    def _program(self, name: str, text: str) -> None:
        program = self.folder / "bin" / name
        program.parent.mkdir(exist_ok=True)
        program.write_text(text)
        program.chmod(0o755)

    def until_held(self) -> str:
        """Wait until a training waits; its Slurm job."""
        mark = self.marks / "mark-0"
        wait_for(lambda: mark.exists() or self.started[-1].poll() is not None, "the training waits")
        assert mark.exists(), self.said()
        return self.numbers()[-1]

    def release(self) -> None:
        self.marks.mkdir(exist_ok=True)
        (self.marks / "mark-0.released").touch()

    def start(self, *arguments: str, profile: tuple[str, ...] = ("--profile", "slurm")) -> subprocess.Popen:
        """Start the user's command with these arguments at its end; profile: () is the command without Slurm."""
        programs = [str(self.folder / "bin"), str(Path(sys.executable).parent), os.environ["PATH"]]
        with open(self.folder / f"snakemake-{len(self.started)}", "w") as said:
            process = subprocess.Popen(
                ["snakemake", "--cores", "all", *profile, "--config", "scale=smoke", *arguments],
                cwd=self.folder,
                env={**os.environ, "PATH": os.pathsep.join(programs), "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"},
                stdout=said,
                stderr=said,
                start_new_session=True,
            )
        self.started.append(process)
        return process

    def run(self, *arguments: str, timeout: float = TIMEOUT, **options) -> int:
        return self.start(*arguments, **options).wait(timeout)

    def said(self) -> str:
        """What the last workflow said."""
        return (self.folder / f"snakemake-{len(self.started) - 1}").read_text()

    def numbers(self) -> list[str]:
        """The Slurm jobs of the last workflow, in the order of submission."""
        return re.findall(r"submitted with SLURM jobid (\d+)", self.said())

    def jobs(self) -> list[dict[str, str]]:
        """What Slurm says about them; it forgets a job five minutes after its end."""
        return [job(number) for number in self.numbers()]

    def close(self) -> None:
        self.release()
        for process in self.started:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait(TIMEOUT)


def environment(pid: int) -> dict[str, str]:
    """The variables of a process."""
    return dict(line.split("=", 1) for line in Path(f"/proc/{pid}/environ").read_text().split("\0") if "=" in line)


def jobs_below(folder: Path) -> list[str]:
    """Jobs in the queue that were submitted from somewhere below a folder."""
    queue = [line.split(" ", 1) for line in slurm("squeue", "--noheader", "--format=%i %Z").splitlines()]
    return [number for number, place in queue if Path(place).is_relative_to(folder)]


def job(number: int | str) -> dict[str, str]:
    """What Slurm says about a job."""
    return dict(re.findall(r"(\S+?)=(\S*)", slurm("scontrol", "--oneliner", "show", "job", str(number))))


@pytest.fixture(scope="session")
def tiny(params_path) -> dict:
    """params.yaml with a smoke scale of seconds: one tokenizer of each kind, 12 updates, saved every third."""
    raw = yaml.safe_load(params_path.read_text())
    scale = raw["scales"]["smoke"]
    scale["overrides"]["training"] |= {"discriminator_start": 5, "total_batch": 2}
    scale["hardware"] |= {"cpus": 1, "mem_mb": 2000, "runtime": 20, "runtime_short": 10}
    scale["upkeep"] |= {"checkpoint_every": 3, "checkpoints_kept": 2, "pictures_every": 6, "pictures": 2}
    scale["data"]["sets"]["train"] |= {"crops": 12, "size": 32}
    scale["tokenizer"]["training"] |= {"steps": 12, "resolution": 32, "log_every": 4, "scaling_images": 4}
    # its weights are drawn anew by every process
    scale["evaluation"]["features"]["perceptual"] = "squeeze"
    return raw


@pytest.fixture(scope="session")
def prepared(cluster, tiny, tmp_path_factory) -> Path:
    """The tiny training set."""
    folder = tmp_path_factory.mktemp("undisturbed")
    (folder / "params.yaml").write_text(yaml.safe_dump(tiny, sort_keys=False))
    pqgan(folder, "prepare-data", "train", "--out", "prepared")
    return folder / "prepared"


@pytest.fixture(scope="session")
def undisturbed(prepared) -> Path:
    """What the tiny training ends in where nothing happens to it, without Slurm."""
    pqgan(prepared.parent, "train-tokenizer", TOKENIZER, "--data", "prepared", "--out", "result")
    return prepared.parent / "result"


def pqgan(folder: Path, *arguments: str) -> None:
    command = [Path(sys.executable).with_name("pqgan"), *arguments]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.fixture
def checkouts(tmp_path) -> Iterator[Callable[..., Checkout]]:
    """(params, prepared) -> a fresh checkout, with the training set if given; no job of it outlives the test."""
    made = []

    def new(params: dict, prepared: Path | None = None) -> Checkout:
        made.append(Checkout(tmp_path / f"checkout-{len(made) + 1}", params, prepared))
        return made[-1]

    yield new
    for checkout in made:
        checkout.close()
    for number in jobs_below(tmp_path):
        slurm("scancel", number)
    wait_for(lambda: not jobs_below(tmp_path), "all jobs have ended")


@pytest.fixture
def checkout(checkouts, tiny, prepared) -> Checkout:
    return checkouts(tiny, prepared)


@pytest.fixture(name="wait_for")
def wait_for_fixture() -> Callable:
    return wait_for


@pytest.fixture(name="environment")
def environment_fixture() -> Callable[[int], dict[str, str]]:
    return environment


@pytest.fixture(name="slurm")
def slurm_fixture() -> Callable[..., str]:
    return slurm


@pytest.fixture
def state() -> Callable[[str, str], None]:
    """(job, state) -> wait until it is in it."""
    return lambda number, state: wait_for(lambda: job(number)["JobState"] == state, f"job {number} is {state}", 180)


@pytest.fixture
def starts_again(state) -> Callable[[str], None]:
    """(job) -> wait until it is back in the queue, and spare it the two minutes that Slurm has it wait there."""

    def start(number: str) -> None:
        state(number, "PENDING")
        # not at once: the node would take it for the one it has just ended
        slurm("scontrol", "update", f"JobId={number}", "StartTime=now+5")

    return start


@pytest.fixture
def daemon(cluster) -> Callable[[str], int]:
    """(name) -> its process."""
    folders = {"slurmd": "node", "slurmctld": "controller"}
    return lambda name: int((cluster / folders[name] / "pid").read_text())
