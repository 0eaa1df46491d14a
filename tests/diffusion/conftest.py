"""A tiny scale: the smoke settings with few steps, and real tokenizers with fresh weights."""

from pathlib import Path

import pytest
from whole_plan import whole_plan

from pqgan.data.prepare import run as prepare
from pqgan.diffusion import backbone
from pqgan.plan import Plan
from pqgan.settings import PQConfig, Settings
from pqgan.tokenizer.build import build

STAGE1 = {"steps": 2, "batch": 2, "learning_rate": 1e-2}
PHASES = [
    {"resolution": 64, "steps": 2, "batch": 2, "learning_rate": 1e-2},
    {"resolution": 32, "steps": 1, "batch": 4, "learning_rate": 1e-3},
]
SIZES = [[64, 64], [32, 96]]


@pytest.fixture(scope="session")
def tiny(plain) -> Settings:
    raw = plain.model_dump()
    scale, reading = raw["scale"], raw["reading"]
    scale["data"]["sets"]["train_large"] |= {"crops": 12, "size": 64}
    scale["data"]["sets"]["train"] |= {"crops": 12, "size": 32}
    scale["adapt"]["log_every"] = scale["ldm"]["log_every"] = 1
    scale["adapt"]["prompts"] = ["a photo of a cat", "a cup"]
    variant = {"F": 16, "stage1": STAGE1, "stage2": PHASES, "sample_size": 64, "samples": SIZES}
    scale["adapt"]["variants"] = {"PQSD-Quick": variant, "PQSD-Precise": {**variant, "F": 8}}
    scale["ldm"] |= {"steps": 3, "batch": 4, "resolution": 32}
    scale["ldm"]["unet"]["block_out_channels"] = scale["adapt"]["backbone"]["unet"]["block_out_channels"] = [16, 32]
    reading["adaptation"] |= {"stage1_resolution": 32, "sampler_steps": 2}
    return Settings.model_validate(raw)


@pytest.fixture(scope="session")
def plan(tiny) -> Plan:
    return whole_plan(tiny)


@pytest.fixture(scope="session")
def work(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("diffusion")


@pytest.fixture(scope="session")
def captioned(tiny, plan, work) -> Path:
    prepare(tiny, plan.job("data", "train_large"), out=work / "captioned")
    return work / "captioned"


@pytest.fixture(scope="session")
def classed(tiny, plan, work) -> Path:
    prepare(tiny, plan.job("data", "train"), out=work / "classed")
    return work / "classed"


@pytest.fixture(scope="session")
def backbone_folder(tiny, plan, work) -> Path:
    backbone.run(tiny, plan.job("backbone", "backbone"), out=work / "backbone")
    return work / "backbone"


@pytest.fixture(scope="session")
def tokenizers(tiny, work) -> dict[int, Path]:
    """Folders of PQModels with d=8, by F."""
    folders = {}
    for factor in (8, 16):
        model = build(PQConfig(F=factor, d=8, S=4, K=16), tiny.scale.tokenizer.trunks[factor], tiny.reading, seed=0)
        # fresh codebooks are narrow: this is what training would measure
        model.register_to_config(scaling_factor=16 * 3**0.5)
        folders[factor] = work / f"tokenizer-{factor}"
        model.save_pretrained(folders[factor])
    return folders
