"""Shared fixtures: the repository's own settings, and small variations of them."""

import copy
from pathlib import Path

import pytest
import yaml

from pqgan.settings import Settings, load

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="session")
def params_path() -> Path:
    return ROOT / "params.yaml"


@pytest.fixture(scope="session")
def smoke(params_path) -> Settings:
    return load(params_path, "smoke")


@pytest.fixture(scope="session")
def plain(smoke) -> Settings:
    """The smoke scale with the paper's trunks, no linear path around them, at a constant learning rate."""
    raw = smoke.model_dump()
    for trunk in raw["scale"]["tokenizer"]["trunks"].values():
        trunk |= {"shortcut": "none", "refinement": None}
    for section in (raw["scale"]["tokenizer"], raw["scale"]["finetune"]):
        section["training"] |= {"path_rate": None, "cooldown": None}
    return Settings.model_validate(raw)


@pytest.fixture
def changed_params(params_path, tmp_path):
    """Write params.yaml with one value changed, and return the new file's path.

    The key is a dotted path; list indices are numbers; a value of `...` removes the key.
    """
    raw = yaml.safe_load(params_path.read_text())

    def change(key: str, value) -> Path:
        changed = copy.deepcopy(raw)
        *parents, last = [int(part) if part.isdigit() else part for part in key.split(".")]
        place = changed
        for part in parents:
            place = place[part]
        if value is ...:
            del place[last]
        else:
            place[last] = value
        path = tmp_path / "params.yaml"
        path.write_text(yaml.safe_dump(changed, sort_keys=False))
        return path

    return change


@pytest.fixture(scope="session")
def tiny_pq(tmp_path_factory) -> Path:
    """Folder of a product-quantised autoencoder of F=2, with weights as drawn."""
    import torch  # most tests need none

    from pqgan.tokenizer.model import PQModel

    folder = tmp_path_factory.mktemp("models") / "tiny"
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = PQModel(block_out_channels=(4, 8), layers_per_block=1, norm_num_groups=2, z_channels=8, d=4, S=2, K=11)
    model.save_pretrained(folder)
    return folder
