"""Snakemake killed, restarted and told to try again: a training never starts anew."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import fault_runs
import pytest
from fault_runs import TIMEOUT, is_dead, wait_for
from fault_sameness import assert_same

ROOT = Path(__file__).parents[2]
HELD = 6
"""The step (from 0) in which every attempt waits until the test lets it go on."""
PQGAN = """#!{python}
import sys
from pathlib import Path

sys.path.insert(0, {support!r})
from fault_points import AtStep, hold
from fault_runs import command_line

sys.exit(command_line(sys.argv[1:], [AtStep({step}, hold)], Path({marks!r})))
"""


class Workflow:
    """A copy of the workflow that has the prepared set and wants one trained tokenizer.

    Its `pqgan` is the real one, but for a step in which it waits.
    """

    def __init__(self, folder: Path, training, prepared: Path):
        self.folder, self.target = folder, training.job.path
        self.run_folder = folder / training.job.run_path
        self.result, self.log = folder / self.target, folder / f"logs/smoke/tokenizer/{training.job.id}.log"
        shutil.copytree(ROOT / "workflow", folder / "workflow")
        shutil.copy(ROOT / "Snakefile", folder)
        shutil.copy(training.folder / "params.yaml", folder)
        shutil.copytree(prepared, folder / training.job.inputs["data"].path)
        self.marks = folder / "marks"
        self.marks.mkdir()
        (folder / "bin").mkdir()
        support = str(Path(fault_runs.__file__).parent)
        pqgan = PQGAN.format(python=sys.executable, support=support, step=HELD, marks=str(self.marks))
        (folder / "bin/pqgan").write_text(pqgan)
        (folder / "bin/pqgan").chmod(0o755)
        self.started: list[subprocess.Popen] = []

    def start(self, *options: str) -> subprocess.Popen:
        path = os.pathsep.join([str(self.folder / "bin"), os.environ["PATH"]])
        with open(self.folder / f"snakemake-{len(self.started)}", "w") as said:
            process = subprocess.Popen(
                [sys.executable, "-m", "snakemake", "--cores", "1", *options, self.target],
                cwd=self.folder,
                env={**os.environ, "PATH": path, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"},
                stdout=said,
                stderr=said,
                start_new_session=True,
            )
        self.started.append(process)
        return process

    def said(self) -> str:
        """What the last one started said."""
        return (self.folder / f"snakemake-{len(self.started) - 1}").read_text()

    def run(self, *options: str) -> int:
        return self.start(*options).wait(TIMEOUT)

    def until_held(self) -> int:
        """Wait until a training waits, and give its process number."""
        mark = self.marks / "mark-0"
        running = self.started[-1]
        wait_for(lambda: mark.exists() or running.poll() is not None, "the training waits")
        assert mark.exists(), self.said()
        return int(mark.read_text())

    def checkpoints(self) -> list[str]:
        return sorted(file.name for file in (self.run_folder / "checkpoints").iterdir())

    def release(self) -> None:
        (self.marks / "mark-0.released").touch()


@pytest.fixture
def workflow(training, prepared, tmp_path) -> Iterator[Workflow]:
    workflow = Workflow(tmp_path / "workflow", training, prepared)
    yield workflow
    workflow.release()
    for process in workflow.started:
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
        process.wait(TIMEOUT)


def test_killed_with_all_its_processes(workflow, reference):
    first = workflow.start()
    training = workflow.until_held()
    os.killpg(first.pid, signal.SIGKILL)
    first.wait(TIMEOUT)
    wait_for(lambda: is_dead(training), "the training ends")
    workflow.release()
    assert workflow.run("--unlock") == 0, workflow.said()
    assert workflow.run() == 0, workflow.said()
    assert f"goes on from step {HELD}/12" in workflow.log.read_text()
    assert_same(workflow.result, reference)


@pytest.mark.thorough
def test_killed_alone_its_orphan_is_respected(workflow, reference):
    first = workflow.start()
    orphan = workflow.until_held()
    first.kill()
    first.wait(TIMEOUT)
    assert not is_dead(orphan)
    assert workflow.run("--unlock") == 0, workflow.said()
    assert workflow.run() != 0, workflow.said()
    assert f"in use by process {orphan} on" in workflow.log.read_text()
    os.kill(orphan, signal.SIGTERM)
    workflow.release()
    wait_for(lambda: is_dead(orphan), "the orphan ends")
    assert workflow.checkpoints() == ["step-00000006", "step-00000007"]
    assert workflow.run() == 0, workflow.said()
    assert f"goes on from step {HELD + 1}/12" in workflow.log.read_text()
    assert_same(workflow.result, reference)


@pytest.mark.thorough
def test_a_stopped_training_is_tried_again(workflow, reference):
    snakemake = workflow.start("--retries", "1")
    os.kill(workflow.until_held(), signal.SIGTERM)
    workflow.release()
    assert snakemake.wait(TIMEOUT) == 0, workflow.said()
    assert f"goes on from step {HELD + 1}/12" in workflow.log.read_text()
    assert_same(workflow.result, reference)


@pytest.mark.thorough
def test_a_failed_training_keeps_its_checkpoints_and_goes_on(workflow, reference):
    snakemake = workflow.start()
    os.kill(workflow.until_held(), signal.SIGTERM)
    workflow.release()
    assert snakemake.wait(TIMEOUT) != 0
    assert not workflow.result.exists()
    assert f"SIGTERM at step {HELD + 1}/12: stopped and saved" in workflow.log.read_text()
    assert workflow.checkpoints() == ["step-00000006", "step-00000007"]
    assert workflow.run() == 0, workflow.said()
    assert_same(workflow.result, reference)
