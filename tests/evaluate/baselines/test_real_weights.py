"""Real published weights give diffusers' own reconstructions; without PQGAN_WEIGHTS_DIR these tests skip."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import AutoencoderTiny
from PIL import Image
from safetensors.torch import load_file

from pqgan.evaluate.baselines import fetch
from pqgan.evaluate.baselines.open import open_model
from pqgan.evaluate.metrics import psnr
from pqgan.evaluate.networks.pixels import to_uint8
from pqgan.job import Job

FILES = {"taesd": ("taesd_fp8e4m3.safetensors", 4), "taesd3": ("taesd_3_fp8e4m3.safetensors", 16)}
LEAST = {"taesd": 21.0, "taesd3": 25.0}
"""dB on any photographs: far above what a wrong scale or channel order leaves, about 10."""


@pytest.fixture(params=FILES)
def name(request) -> str:
    return request.param


@pytest.fixture
def own(name):
    """diffusers' class with the same file, loaded without any code of ours."""
    file, channels = FILES[name]
    path = Path(os.environ.get("PQGAN_WEIGHTS_DIR", "")) / file
    if not os.environ.get("PQGAN_WEIGHTS_DIR") or not path.is_file():
        pytest.skip(f"PQGAN_WEIGHTS_DIR has no {file}")
    model = AutoencoderTiny(latent_channels=channels)
    model.load_state_dict({key: value.float() for key, value in load_file(path).items()})
    return model.eval()


@pytest.fixture(params=["scikit-image", "imagenette"])
def images(request, photos):
    """Photographs (2, 3, 256, 256) or (10, 3, 128, 128) in [-1, 1]."""
    if request.param == "scikit-image":
        return photos[::2]
    folder = Path(os.environ.get("PQGAN_DATA_DIR", "")) / "imagenette" / "val"
    if not os.environ.get("PQGAN_DATA_DIR") or not folder.is_dir():
        pytest.skip("PQGAN_DATA_DIR has no imagenette/val")
    files = [min(classes.iterdir()) for classes in sorted(folder.iterdir()) if classes.is_dir()]
    pixels = np.stack([np.array(Image.open(file).convert("RGB").resize((128, 128))) for file in files])
    return torch.from_numpy(pixels).permute(0, 3, 1, 2) / 127.5 - 1


@torch.inference_mode()
def test_the_rows_of_published_weights_are_diffusers_own(name, own, images, smoke, tmp_path):
    expected = own(images).sample.clamp(-1, 1)
    fetch.run(smoke, Job("smoke", "published", name, {}), out=tmp_path / "out")
    found = open_model(tmp_path / "out").reconstruct(images)
    assert torch.equal(found, expected)
    for spec in (name, Path(os.environ["PQGAN_WEIGHTS_DIR"]) / FILES[name][0]):
        model = open_model(spec).model
        assert all(torch.equal(value, own.state_dict()[key]) for key, value in model.state_dict().items())
    ours, theirs = (psnr.mean(psnr.squared_errors(to_uint8(images), to_uint8(side))) for side in (found, expected))
    print(f"{name}: {ours:.2f} dB on {len(images)} images of {images.shape[-1]} px")
    assert abs(ours - theirs) <= 0.1
    assert ours > LEAST[name]
