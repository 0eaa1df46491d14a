"""Shared fixtures: a tokenizer's step at the smoke size, images for it, and trainings that are started only."""

from types import SimpleNamespace

import pytest
from step_fixtures import batch, make_step  # noqa: F401, fixtures of this folder
from whole_plan import whole_plan

from pqgan.data.prepare import run as prepare
from pqgan.settings import Settings
from pqgan.tokenizer import train

NAME = "f8-d16-S8-K64"
SWEEP = {
    "steps": 6,
    "resolution": 32,
    "learning_rate": 3e-3,
    "betas": (0.4, 0.8),
    "perceptual_weight": 0.7,
    "scaling_images": 5,
    "log_every": 3,
}
FINETUNE = {
    "steps": 4,
    "resolution": 64,
    "learning_rate": 2e-3,
    "betas": (0.3, 0.7),
    "perceptual_weight": 0.6,
    "scaling_images": 3,
    "log_every": 2,
}
UPKEEP = {"checkpoint_every": 7, "checkpoints_kept": 3, "pictures_every": 8, "pictures": 2}


@pytest.fixture(scope="module")
def uneven(plain) -> Settings:
    """The smoke scale with the paper's trunks and no two settings alike."""
    raw = plain.model_dump()
    scale, reading = raw["scale"], raw["reading"]
    scale["seed"] = 11
    scale["upkeep"] = UPKEEP
    scale["data"]["sets"]["train"] |= {"crops": 8, "size": 40}
    scale["data"]["sets"]["train_large"] |= {"crops": 7, "size": 72}
    scale["tokenizer"]["training"] = SWEEP
    scale["finetune"] |= {"batch": 2, "training": FINETUNE}
    scale["evaluation"]["batch"] = 2
    scale["evaluation"]["features"] |= {"perceptual": "squeeze", "lpips": ["alex"]}
    reading["training"] |= {"discriminator_start": 5, "discriminator_weight": 0.35, "total_batch": 4}
    reading["finetune"]["discriminator_start"] = 3
    return Settings.model_validate(raw)


@pytest.fixture(scope="module")
def training_sets(uneven, tmp_path_factory):
    """Folders of both training sets, by name."""
    work, plan = tmp_path_factory.mktemp("sets"), whole_plan(uneven)
    for name in ("train", "train_large"):
        prepare(uneven, plan.job("data", name), out=work / name)
    return {name: work / name for name in ("train", "train_large")}


@pytest.fixture
def start(uneven, training_sets, tmp_path, monkeypatch):
    """Start a training and come back with what reached the loader and the loop, which is not run."""

    def start(chapter: str, changed: Settings = uneven, **given) -> SimpleNamespace:
        seen = SimpleNamespace(loads=[])
        load = train.training_batches

        def training_batches(*arguments, **named):
            seen.loads.append((arguments, named))
            return load(*arguments, **named)

        def fit(fabric, step, state, batches, **named):
            seen.step, seen.state, seen.batches, seen.fit = step, state, batches, named

        def publish(fabric, folder, state, job, out, write):
            seen.write, seen.out = write, out

        for name, double in {"training_batches": training_batches, "fit": fit, "publish": publish}.items():
            monkeypatch.setattr(train, name, double)
        places = {"run": tmp_path / "run", "out": tmp_path / "out", **given}
        if chapter == "tokenizer":
            job = whole_plan(changed).job("tokenizer", NAME)
            train.train(changed, job, data=training_sets["train"], **places)
        else:
            job = whole_plan(changed).job("finetune", "f8")
            train.finetune(changed, job, data=training_sets["train_large"], **places)
        seen.job = job
        return seen

    return start
