"""Tiny trainings to hurt: a tokenizer of 12 updates, whose discriminator plays from the fifth, and an LDM of 8.

They are saved every third update and logged every fourth, so that no checkpoint but the last meets a line of the log.
"""

import os
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml
from filelock import FileLock

from pqgan.data.sources import DATA_DIR

pytest.register_assert_rewrite("fault_runs", "fault_sameness")
TOKENIZER = "f8-d16-S4-K64"


@pytest.fixture(scope="session")
def faults_folder(tmp_path_factory) -> Path:
    """A folder that all pytest processes of a run share."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "faults"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def made_once(faults_folder) -> Callable[[str, Callable[[Path], object]], Path]:
    """(name, what fills a new folder) -> the folder, filled by the first pytest process that asks."""

    def get(name: str, make: Callable[[Path], object]) -> Path:
        folder = faults_folder / name
        with FileLock(faults_folder / f"{name}.lock"):
            if not folder.exists():
                shutil.rmtree(faults_folder / f"{name}.new", ignore_errors=True)
                make(faults_folder / f"{name}.new")
                os.replace(faults_folder / f"{name}.new", folder)
        return folder

    return get


@pytest.fixture(scope="session")
def tiny_params(params_path, made_once) -> Path:
    """The smoke scale, made tiny."""
    raw = yaml.safe_load(params_path.read_text())
    scale = raw["scales"]["smoke"]
    raw |= {"scale": "smoke", "scales": {"smoke": scale}}
    scale["overrides"]["training"] |= {"discriminator_start": 5, "total_batch": 2}
    scale["hardware"] |= {"accelerator": "cpu", "gpus": 0, "processes": 1, "cpus": 1, "workers": 0}
    scale["upkeep"] |= {"checkpoint_every": 3, "checkpoints_kept": 2, "pictures_every": 6, "pictures": 2}
    scale["data"]["sets"]["train"] |= {"crops": 12, "size": 32}
    for trunk in scale["tokenizer"]["trunks"].values():
        trunk |= {"shortcut": "none", "refinement": None}
    for section in (scale["tokenizer"], scale["finetune"]):
        section["training"] |= {"path_rate": None, "cooldown": None}
    scale["tokenizer"]["training"] |= {"steps": 12, "resolution": 32, "log_every": 4, "scaling_images": 4}
    scale["ldm"] |= {"steps": 8, "batch": 2, "resolution": 32, "log_every": 4, "ema_decay": 0.9}
    scale["ldm"]["unet"]["block_out_channels"] = [16, 32]
    scale["ldm"]["latents"] = {"pqgan": {"method": "PQGAN", "tokenizer": TOKENIZER}}
    scale["evaluation"]["batch"] = 4
    # its weights are drawn anew by every process
    scale["evaluation"]["features"] |= {"weights": "random", "perceptual": "squeeze"}

    def make(folder: Path) -> None:
        folder.mkdir()
        (folder / "params.yaml").write_text(yaml.safe_dump(raw, sort_keys=False))

    return made_once("params", make) / "params.yaml"


@pytest.fixture(scope="session")
def prepared(tiny_params, made_once) -> Path:
    """The training set of both."""
    from whole_plan import whole_plan

    from pqgan.data.prepare import run
    from pqgan.settings import load

    plan = whole_plan(load(tiny_params, None))
    return made_once("prepared", lambda folder: run(plan.settings, plan.job("data", "train"), out=folder))


@pytest.fixture(scope="session")
def server():
    """Where processes come from; its environment is theirs."""
    from fault_runs import fork_server

    context = fork_server()
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}.items():
            patch.setenv(name, value)
        first = context.Process(target=int)
        first.start()  # and the server before it
        first.join()
    return context


@pytest.fixture(scope="session")
def make_training(server, tiny_params, prepared, request):
    """(folder, chapter) -> a training in a new folder."""
    from fault_runs import Training

    def make(folder: Path, chapter: str = "tokenizer") -> Training:
        if chapter == "tokenizer":
            return Training(server, folder, tiny_params, chapter, TOKENIZER, {"data": prepared})
        inputs = {"tokenizer": request.getfixturevalue("reference"), "data": prepared}
        return Training(server, folder, tiny_params, chapter, "pqgan", inputs)

    return make


@pytest.fixture
def trainings(make_training, tmp_path) -> Iterator[Callable]:
    """(chapter, folder to start from) -> a training whose processes do not outlive the test."""
    made = []

    def new(chapter: str = "tokenizer", copy: Path | None = None):
        made.append(make_training(tmp_path / f"training-{len(made) + 1}", chapter))
        if copy:
            shutil.copytree(copy, made[-1].folder / "runs")
        return made[-1]

    yield new
    for training in made:
        training.close()


@pytest.fixture
def training(trainings):
    """A tokenizer's, from the start."""
    return trainings()


@pytest.fixture(scope="session")
def reference(make_training, made_once) -> Path:
    """What an undisturbed training of the tokenizer ends in."""
    return _undisturbed(make_training, made_once, "tokenizer")


@pytest.fixture(scope="session")
def ldm_reference(make_training, made_once) -> Path:
    return _undisturbed(make_training, made_once, "ldm")


def _undisturbed(make_training, made_once, chapter: str) -> Path:
    def make(folder: Path) -> None:
        training = make_training(folder, chapter)
        training.run().succeeded()
        os.rename(training.result, folder / "result")

    return made_once(f"undisturbed-{chapter}", make) / "result"


@pytest.fixture
def interrupted(trainings, make_training, made_once):
    """A training that was stopped in its seventh update: checkpoints of steps 6 and 7."""
    from fault_points import AtStep, terminate

    def make(folder: Path) -> None:
        make_training(folder).run(AtStep(6, terminate)).failed(75)

    return trainings(copy=made_once("interrupted", make) / "runs")


@pytest.fixture
def abandoned(trainings, make_training, made_once):
    """A training that was killed in its seventh update: checkpoints of steps 3 and 6, and the file of its owner."""
    from fault_points import AtStep, kill

    def make(folder: Path) -> None:
        assert make_training(folder).run(AtStep(6, kill)).code == -signal.SIGKILL

    return trainings(copy=made_once("abandoned", make) / "runs")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The set's folder of raw images."""
    monkeypatch.setenv(DATA_DIR, str(tmp_path / "raw"))
    path = tmp_path / "raw" / "set"
    path.mkdir(parents=True)
    return path


@pytest.fixture
def command(changed_params, tmp_path):
    """Arguments of prepare-data for that folder; nothing is published yet."""

    def arguments(size=16, **more):
        own = {"source": "folder", "path": "set", "size": size, **more}
        params = changed_params("scales.smoke.data.sets.own", own)
        out = tmp_path / "out" / "own"
        return ["prepare-data", "own", "--params", str(params), "--scale", "smoke", "--out", str(out)]

    return arguments


def pytest_terminal_summary(terminalreporter):
    """How many damaged files were tried; from the reports, because other processes may have run the tests."""
    reports = [report for outcome in ("passed", "failed") for report in terminalreporter.stats.get(outcome, [])]
    lines = [value for report in reports for name, value in report.user_properties if name == "fuzz"]
    if lines:
        terminalreporter.section("damaged files")
        for line in lines:
            terminalreporter.line(line)
