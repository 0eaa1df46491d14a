"""Tiny models of every kind, a folder of ragged images, and the commands between them."""

from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import AutoencoderKL, VQModel
from PIL import Image

from pqgan.cli import main
from pqgan.tokenizer.model import PQModel, trunk_blocks

TRUNK = {"block_out_channels": (4, 8), "layers_per_block": 1, "norm_num_groups": 2}


def new_model(kind: str, seed: int = 0, **changes):
    torch.manual_seed(seed)
    blocks = TRUNK | trunk_blocks(2)
    match kind:
        case "pq":
            return PQModel(**TRUNK, z_channels=8, **{"d": 4, "S": 2, "K": 11, **changes})
        case "vqgan":
            return VQModel(**blocks, latent_channels=4, vq_embed_dim=4, num_vq_embeddings=12)
        case "kl":
            return AutoencoderKL(**blocks, latent_channels=4)


@pytest.fixture(scope="module")
def models(tmp_path_factory) -> Path:
    """Folders of models with F=2."""
    root = tmp_path_factory.mktemp("models")
    for name, model in {
        "pq": new_model("pq"),
        "vqgan": new_model("vqgan"),
        "kl": new_model("kl"),
        "other": new_model("pq", seed=1),
        "larger": new_model("pq", K=12),
    }.items():
        model.save_pretrained(root / name)
    return root


def photograph(width: int, height: int, seed: int = 0) -> Image.Image:
    coarse = np.random.default_rng(seed).integers(0, 256, (5, 5, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)


@pytest.fixture
def images(tmp_path) -> Path:
    """Images of ragged sizes and kinds, in folders, among other files."""
    folder = tmp_path / "images"
    (folder / "deep ü").mkdir(parents=True)
    for i, size in enumerate([(16, 16), (17, 9), (16, 16), (1, 1), (16, 16), (17, 9), (16, 15)]):
        photograph(*size, seed=i).save(folder / f"{i}.png")
    photograph(20, 12).convert("L").save(folder / "deep ü" / "grey 写.jpg")
    transparent = photograph(10, 10)
    transparent.putalpha(100)
    transparent.save(folder / "deep ü" / "rgba.webp", lossless=True)
    turned = Image.Exif()
    turned[0x0112] = 6
    photograph(20, 12).save(folder / "deep ü" / "turned.jpg", exif=turned)
    (folder / "notes.txt").touch()
    return folder


@pytest.fixture
def command(models, images, tmp_path, monkeypatch):
    """Run encode or decode in a folder of its own, without a params.yaml; the exit code."""
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")

    def run(verb: str, *more, model: str = "pq", **given) -> int:
        defaults = {"images": images, "out": "a.pqc"} if verb == "encode" else {"codes": "a.pqc", "out": "back"}
        given = {"model": models / model, **defaults, **given}
        return main([verb, *(str(part) for key, value in given.items() for part in (f"--{key}", value)), *more])

    return run
